/**
 * From bytes to text that is certain: nothing that may still begin a stop string, and whole characters only. The plain
 * version of what the native engine does with automata.
 */

/** Finds stop strings in a stream of bytes (one per character of a JavaScript string). */
class StopMatcher {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops.map((stop) => Buffer.from(stop, 'utf8').toString('latin1'));
  }

  /** What became certain, and whether a stop string was completed: the longest of those that end at the same byte. */
  push(bytes: string): { certain: string; stopped: boolean } {
    let certain = '';
    for (const byte of bytes) {
      this.#held += byte;
      const completed = this.#longestCompleted();
      if (completed > 0) return { certain: certain + this.#held.slice(0, -completed), stopped: true };
      const uncertain = this.#longestBegun();
      certain += this.#held.slice(0, this.#held.length - uncertain);
      this.#held = this.#held.slice(this.#held.length - uncertain);
    }
    return { certain, stopped: false };
  }

  /** What was kept back, for an end that no stop string caused. */
  flush(): string {
    return this.#held;
  }

  #longestCompleted(): number {
    const lengths = this.#stops.filter((stop) => this.#held.endsWith(stop)).map((stop) => stop.length);
    return Math.max(0, ...lengths);
  }

  /** How many of the last bytes are the beginning of a stop string. */
  #longestBegun(): number {
    for (let length = this.#held.length; length > 0; length--) {
      const ending = this.#held.slice(-length);
      if (this.#stops.some((stop) => stop.startsWith(ending))) return length;
    }
    return 0;
  }
}

/** One slot's output. A character that is incomplete at the end is never given out. */
export class OutputText {
  readonly #stops: StopMatcher;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(stops: readonly string[]) {
    this.#stops = new StopMatcher(stops);
  }

  /** Bytes so far that are no part of a stop string, an incomplete character's included. */
  certainBytes = 0;

  push(bytes: string): { text: string; stopped: boolean } {
    const { certain, stopped } = this.#stops.push(bytes);
    return { text: this.#decode(certain), stopped };
  }

  /** What was kept back for a stop string that did not come. */
  flush(): string {
    return this.#decode(this.#stops.flush());
  }

  #decode(bytes: string): string {
    this.certainBytes += bytes.length;
    return this.#decoder.decode(Buffer.from(bytes, 'latin1'), { stream: true });
  }
}
