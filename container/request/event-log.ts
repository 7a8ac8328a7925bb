/** A request's events as NDJSON lines, numbered, the latest ones kept for readers that attach again. */
import type { WorkerEvent } from '#contract/worker.ts';

type WithoutNumber<Event> = Event extends unknown ? Omit<Event, 'seq'> : never;
export type UnnumberedEvent = WithoutNumber<WorkerEvent>;

const MAX_KEPT_CHARACTERS = 1_000_000;

export class EventLog {
  #lines: string[] = [];
  #firstKept = 0;
  #keptCharacters = 0;
  readonly #maxCharacters: number;

  constructor(maxCharacters = MAX_KEPT_CHARACTERS) {
    this.#maxCharacters = maxCharacters;
  }

  get nextSeq(): number {
    return this.#firstKept + this.#lines.length;
  }

  /** Numbers and keeps an event and returns its line. */
  append(event: UnnumberedEvent): string {
    const line = toLine(event, this.nextSeq);
    this.#lines.push(line);
    this.#keptCharacters += line.length;
    if (this.#keptCharacters > this.#maxCharacters) this.#forgetOlderHalf();
    return line;
  }

  /** The lines after event `seq` (-1: all of them), or undefined where some of these are forgotten. */
  linesAfter(seq: number): readonly string[] | undefined {
    const start = seq + 1 - this.#firstKept;
    return start < 0 ? undefined : this.#lines.slice(start);
  }

  #forgetOlderHalf(): void {
    const forgotten = this.#lines.splice(0, Math.ceil(this.#lines.length / 2));
    this.#firstKept += forgotten.length;
    this.#keptCharacters -= forgotten.reduce((characters, line) => characters + line.length, 0);
  }
}

export function toLine(event: UnnumberedEvent, seq: number): string {
  return `${JSON.stringify({ ...event, seq })}\n`;
}
