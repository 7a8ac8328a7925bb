/**
 * The engine's sequence ids. One that is given back keeps its cells until the next plan, which releases it before
 * anything else: so it can be taken again at once. A prefix cache would keep it here instead.
 */
export class SequencePool {
  readonly total: number;
  readonly #free: number[];
  /** Given back, but not yet released by a plan. */
  readonly #unreleased = new Set<number>();

  constructor(total: number) {
    this.total = total;
    this.#free = Array.from({ length: total }, (_, index) => total - 1 - index);
  }

  get free(): number {
    return this.#free.length;
  }

  get unreleased(): ReadonlySet<number> {
    return this.#unreleased;
  }

  take(): number {
    const sequence = this.#free.pop();
    if (sequence === undefined) throw new RangeError('no sequence is free');
    return sequence;
  }

  giveBack(sequence: number): void {
    this.#free.push(sequence);
    this.#unreleased.add(sequence);
  }

  /** A plan that releases it is on its way. */
  markReleased(sequence: number): void {
    this.#unreleased.delete(sequence);
  }

  /** The plan that was to release it was not done. */
  markUnreleased(sequence: number): void {
    this.#unreleased.add(sequence);
  }
}
