const WINDOW_SECONDS = 5;

/** Tokens per second over the last whole seconds. */
export class TokenRate {
  readonly #counts = new Array<number>(WINDOW_SECONDS + 1).fill(0);
  #second = 0;

  add(tokens: number, now: number): void {
    this.#advance(now);
    this.#counts[this.#second % this.#counts.length]! += tokens;
  }

  perSecond(now: number): number {
    this.#advance(now);
    const current = this.#counts[this.#second % this.#counts.length]!;
    const all = this.#counts.reduce((sum, count) => sum + count, 0);
    return (all - current) / WINDOW_SECONDS;
  }

  /** Forgets the seconds that have left the window. */
  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    const passed = Math.min(second - this.#second, this.#counts.length);
    for (let ago = 0; ago < passed; ago++) this.#counts[(second - ago) % this.#counts.length] = 0;
    this.#second = Math.max(this.#second, second);
  }
}
