/** NDJSON of the worker protocol into checked events. */
import { WorkerEvent } from '#contract/worker.ts';
import { FleetFailure } from './failure.ts';

/** Any event but an error, which becomes a FleetFailure. */
export type Spoken = Exclude<WorkerEvent, { type: 'error' }>;

/** UTF-16 units. */
const MAX_LINE_LENGTH = 1_000_000;

export class EventReader {
  #unfinishedLine = '';
  #nextSeq = 0;
  readonly #choices: number;
  #choicesLeft: number;

  /** @param choices how many `end` events make the answer complete */
  constructor(choices: number) {
    this.#choices = choices;
    this.#choicesLeft = choices;
  }

  get isComplete(): boolean {
    return this.#choicesLeft === 0;
  }

  /** @returns the events of the lines that `text` completes, and what is wrong after them */
  read(text: string): { spoken: Spoken[]; failure?: FleetFailure } {
    const lines = (this.#unfinishedLine + text).split('\n');
    this.#unfinishedLine = lines.pop() ?? '';
    const spoken: Spoken[] = [];
    try {
      if (this.#unfinishedLine.length > MAX_LINE_LENGTH) throw garbled('a line is too long');
      for (const line of lines) spoken.push(this.#readLine(line));
      return { spoken };
    } catch (failure) {
      if (failure instanceof FleetFailure) return { spoken, failure };
      throw failure;
    }
  }

  #readLine(line: string): Spoken {
    const event = parseEvent(line);
    if (event.type === 'error') throw new FleetFailure(event.code, event.message, event.retryable);
    if (event.seq !== this.#nextSeq) throw garbled(`event ${this.#nextSeq} is missing`);
    if ((event.type === 'accepted') !== (event.seq === 0)) throw garbled(`'${event.type}' is out of place`);
    if ('choice' in event && event.choice >= this.#choices) throw garbled(`choice ${event.choice} was not asked for`);
    this.#nextSeq += 1;
    if (event.type === 'end') this.#choicesLeft -= 1;
    return event;
  }
}

function parseEvent(line: string): WorkerEvent {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    // The SyntaxError quotes the line, which may hold a user's text.
    throw garbled('a line is not JSON');
  }
  const event = WorkerEvent.safeParse(json);
  if (!event.success) throw garbled('a line is not an event');
  return event.data;
}

function garbled(how: string): FleetFailure {
  return new FleetFailure('worker_garbled', `The worker does not follow its protocol: ${how}.`, false);
}
