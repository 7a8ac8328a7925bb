import type { SlotRef } from '#engine/types.ts';
import type { Job, JobEvent } from './types.ts';

/** A job that was accepted, until its last choice has ended. */
export class Request {
  readonly job: Job;
  readonly listener: (event: JobEvent) => void;
  /** Unix milliseconds. */
  readonly submittedAt: number;
  /** Whom to serve first, least first: the time of arrival, later by some time for each step of priority. */
  readonly rank: number;
  /** Most tokens that a choice generates. */
  readonly maxTokens: number;
  /** Choices that wait for a slot, or for cells after they lost theirs; the next one first. */
  readonly waiting: Choice[];
  /** Choices with a slot and a sequence, in the order of their admission. */
  readonly running = new Set<Choice>();
  /** Cells reserved for the prompt that the running choices share. */
  reservedPrompt = 0;

  constructor(
    job: Job,
    listener: (event: JobEvent) => void,
    { submittedAt, rank, maxTokens }: { submittedAt: number; rank: number; maxTokens: number },
  ) {
    this.job = job;
    this.listener = listener;
    this.submittedAt = submittedAt;
    this.rank = rank;
    this.maxTokens = maxTokens;
    this.waiting = Array.from({ length: job.choices }, (_, index) => new Choice(this, index));
  }

  get isDone(): boolean {
    return this.waiting.length === 0 && this.running.size === 0;
  }

  /** The running choice whose cells the others share. */
  get leader(): Choice | undefined {
    return this.running.values().next().value;
  }
}

/**
 * One completion of a request. `bound`, `fed` and `expected` run ahead of the engine: they count the plans in flight as
 * done, and go back where a plan was withdrawn or dropped.
 */
export class Choice {
  readonly request: Request;
  readonly index: number;
  slot: SlotRef | undefined;
  sequence: number | undefined;
  reservedCells = 0;

  /** Tokens to prefill: the prompt, and after a loss of cells what was generated so far. */
  feed: Int32Array;
  bound = false;
  /** Tokens of `feed` in the cells. */
  fed = 0;
  /** Tokens that plans in flight will pick. */
  expected = 0;

  readonly generated: number[] = [];
  /** Tokens picked since the last delta; their text was held back. */
  unsentTokens = 0;
  firstPassAt: number | undefined;
  firstTokenAt: number | undefined;

  constructor(request: Request, index: number) {
    this.request = request;
    this.index = index;
    this.feed = request.job.prompt;
  }

  get isRunning(): boolean {
    return this.request.running.has(this);
  }

  get needsPrefill(): boolean {
    return this.fed < this.feed.length;
  }

  get canDecode(): boolean {
    return !this.needsPrefill && this.generated.length + this.expected < this.request.maxTokens;
  }

  /** Makes the choice begin anew, with what it has generated as part of its prompt. */
  rewind(): void {
    this.feed = Int32Array.from([...this.request.job.prompt, ...this.generated]);
    this.bound = false;
    this.fed = 0;
  }
}
