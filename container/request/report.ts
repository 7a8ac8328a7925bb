/** What a request cost, for the log. */
import type { FinishReason, GenerateRequest, Timings, WorkerErrorCode } from '#contract/worker.ts';
import type { JobEvent } from '../scheduler/types.ts';

export interface RequestReport {
  id: string;
  attempt: number;
  model: string;
  version: string;
  promptTokens: number;
  cachedTokens: number;
  /** Of all choices. */
  completionTokens: number;
  /** Of the slowest choice; undefined where none ended. */
  timings: Timings | undefined;
  /** Of each choice that ended, by its number. */
  finish: FinishReason[];
  error: WorkerErrorCode | undefined;
  /** Milliseconds from arrival to the last event. */
  totalMs: number;
}

export class Tally {
  readonly #request: GenerateRequest;
  readonly #arrivedAt: number;
  readonly #finish: FinishReason[] = [];
  #preparationMs = 0;
  #completionTokens = 0;
  #cachedTokens = 0;
  #timings: Timings | undefined;
  promptTokens = 0;

  /** @param arrivedAt `performance.now()` when the request arrived */
  constructor(request: GenerateRequest, arrivedAt: number) {
    this.#request = request;
    this.#arrivedAt = arrivedAt;
  }

  submit(promptTokens: number): void {
    this.promptTokens = promptTokens;
    this.#preparationMs = performance.now() - this.#arrivedAt;
  }

  /** Returns the choice's timings as the client sees them: its queue time begins when the request arrived. */
  endChoice(event: Extract<JobEvent, { type: 'end' }>): Timings {
    const timings = { ...event.timings, queueMs: event.timings.queueMs + this.#preparationMs };
    this.#finish[event.choice] = event.finish;
    this.#completionTokens += event.completionTokens;
    this.#cachedTokens = event.cachedTokens;
    if (this.#timings === undefined || lengthOf(timings) > lengthOf(this.#timings)) this.#timings = timings;
    return timings;
  }

  report(error: WorkerErrorCode | undefined): RequestReport {
    const { id, attempt, model, version } = this.#request;
    return {
      id,
      attempt,
      model,
      version,
      promptTokens: this.promptTokens,
      cachedTokens: this.#cachedTokens,
      completionTokens: this.#completionTokens,
      timings: this.#timings,
      finish: this.#finish,
      error,
      totalMs: performance.now() - this.#arrivedAt,
    };
  }
}

const lengthOf = ({ queueMs, prefillMs, decodeMs }: Timings) => queueMs + prefillMs + decodeMs;
