/** What the worker server asks of the scheduler, and what it hears back. */
import type { Sampling, TokenLogprob } from '#engine/types.ts';

export interface Job {
  id: string;
  /** The prompt's tokens; at least one, fewer than the engine's context. */
  prompt: Int32Array;
  choices: number;
  sampling: Sampling;
  /** null: up to the context. */
  maxTokens: number | null;
  stops: readonly string[];
  /** Log-probabilities are wanted, with so many alternatives; null: none. */
  topLogprobs: number | null;
  /** 0 is the most urgent, 9 the least. */
  priority: number;
  /** Unix milliseconds. */
  deadline: number;
}

export interface JobTimings {
  /** Milliseconds from submission to the first forward pass. */
  queueMs: number;
  prefillMs: number;
  decodeMs: number;
}

export type JobFailure = 'overloaded' | 'draining' | 'deadline_exceeded' | 'cancelled' | 'engine_failed';

export type JobEvent =
  | { type: 'progress'; prefilled: number }
  | { type: 'delta'; choice: number; text: string; tokens: number; logprobs?: readonly TokenLogprob[] }
  /** Once per choice. */
  | {
      type: 'end';
      choice: number;
      finish: 'stop' | 'length';
      cachedTokens: number;
      completionTokens: number;
      timings: JobTimings;
    }
  /** Ends the job; no further event follows. */
  | { type: 'failed'; code: JobFailure; message: string; retryable: boolean };

export interface SchedulerLoad {
  running: number;
  queued: number;
  usedCells: number;
  cells: number;
  /** Generated tokens per second over the last seconds. */
  tokensPerSecond: number;
}

export interface Scheduler {
  /** `listener` is called synchronously with each event, never before `submit` returns. A full queue fails the job. */
  submit(job: Job, listener: (event: JobEvent) => void): void;
  /** Frees the job's slots in whatever state it is; its listener hears `failed` `cancelled`. Unknown ids are ignored. */
  cancel(id: string): void;
  readonly load: SchedulerLoad;
  /** Refuses new jobs; resolves when the last running one has ended. */
  drain(): Promise<void>;
  /** Throws IntegrityError where slots, cells or sequences do not add up; runs by itself whenever the scheduler is idle. */
  checkIntegrity(): void;
}
