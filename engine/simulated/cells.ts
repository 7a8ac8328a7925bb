import { EMPTY_HISTORY, extendHistory } from './model.ts';

/** One token's place in memory; shared by the sequences that a copy made. */
interface Cell {
  readonly token: number;
  /** Hash of the history up to and including this token. */
  readonly history: number;
  sharers: number;
}

/** The sequences' memory. A cell counts once, however many sequences share it. */
export class Cells {
  readonly #capacity: number;
  readonly #sequences: Cell[][];
  #used = 0;

  constructor(capacity: number, sequences: number) {
    this.#capacity = capacity;
    this.#sequences = Array.from({ length: sequences }, () => []);
  }

  get used(): number {
    return this.#used;
  }

  get free(): number {
    return this.#capacity - this.#used;
  }

  has(sequence: number): boolean {
    return sequence in this.#sequences;
  }

  length(sequence: number): number {
    return this.#sequences[sequence]!.length;
  }

  lastToken(sequence: number): number {
    return this.#sequences[sequence]!.at(-1)!.token;
  }

  historyOf(sequence: number): number {
    return this.#sequences[sequence]!.at(-1)?.history ?? EMPTY_HISTORY;
  }

  append(sequence: number, token: number): void {
    const history = extendHistory(this.historyOf(sequence), token);
    this.#sequences[sequence]!.push({ token, history, sharers: 1 });
    this.#used++;
  }

  /** Shares the first `length` tokens with the empty sequence `to`. */
  copy(from: number, to: number, length: number): number {
    const shared = this.#sequences[from]!.slice(0, length);
    for (const cell of shared) cell.sharers++;
    this.#sequences[to]!.push(...shared);
    return shared.length;
  }

  /** Keeps the first `length` tokens. */
  trim(sequence: number, length: number): number {
    const cut = this.#sequences[sequence]!.splice(length);
    for (const cell of cut) {
      cell.sharers--;
      if (cell.sharers === 0) this.#used--;
    }
    return this.length(sequence);
  }
}
