/** How jobs end, and what their listeners hear. */
import type { EndReason, Engine } from '#engine/types.ts';
import { retire } from './admission.ts';
import type { Choice, Request } from './request.ts';
import type { State } from './state.ts';
import type { JobEvent, JobFailure, JobTimings } from './types.ts';

export type Listener = (event: JobEvent) => void;

const RETRYABLE: Record<JobFailure, boolean> = {
  overloaded: true,
  draining: true,
  deadline_exceeded: false,
  cancelled: false,
  engine_failed: true,
};

export class Jobs {
  readonly #state: State;
  readonly #engine: Engine;
  readonly #orBreakDown: (run: () => void) => void;
  readonly #onFault: (error: unknown) => void;

  /** `orBreakDown` runs what may throw EngineError; `onFault` hears what a listener threw. */
  constructor(
    state: State,
    engine: Engine,
    { orBreakDown, onFault }: { orBreakDown: (run: () => void) => void; onFault: (error: unknown) => void },
  ) {
    this.#state = state;
    this.#engine = engine;
    this.#orBreakDown = orBreakDown;
    this.#onFault = onFault;
  }

  /** Fails a job that was never accepted, once `submit` has returned. */
  refuse(listener: Listener, code: JobFailure, message: string): void {
    queueMicrotask(() => this.tell(listener, failure(code, message)));
  }

  tell(listener: Listener, event: JobEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#onFault(error);
    }
  }

  /** Ends a choice, and with the last one its job. */
  finish(choice: Choice, reason: EndReason, now: number): void {
    const { request } = choice;
    retire(this.#state, this.#engine, choice);
    if (request.isDone) this.forget(request);
    this.tell(request.listener, endEvent(choice, reason, now));
  }

  /** Ends a job wherever it is. */
  fail(request: Request, code: JobFailure, message: string): void {
    this.#orBreakDown(() => this.#stop(request));
    this.forget(request);
    this.tell(request.listener, failure(code, message));
  }

  forget(request: Request): void {
    this.#state.queue.remove(request);
    this.#state.requests.delete(request.job.id);
  }

  #stop(request: Request): void {
    for (const choice of [...request.running, ...request.waiting]) {
      if (choice.slot !== undefined) this.#engine.cancel(choice.slot);
      retire(this.#state, this.#engine, choice);
    }
  }
}

function failure(code: JobFailure, message: string): JobEvent {
  return { type: 'failed', code, message, retryable: RETRYABLE[code] };
}

function endEvent(choice: Choice, reason: EndReason, endedAt: number): JobEvent {
  return {
    type: 'end',
    choice: choice.index,
    finish: reason === 'eos' || reason === 'stop' ? 'stop' : 'length',
    // Counts what an earlier request left behind; a prompt that siblings share was computed for this request.
    cachedTokens: 0,
    completionTokens: choice.generated.length,
    timings: timingsOf(choice, endedAt),
  };
}

function timingsOf(choice: Choice, endedAt: number): JobTimings {
  const firstPassAt = choice.firstPassAt ?? endedAt;
  const firstTokenAt = choice.firstTokenAt ?? endedAt;
  return {
    queueMs: firstPassAt - choice.request.submittedAt,
    prefillMs: firstTokenAt - firstPassAt,
    decodeMs: endedAt - firstTokenAt,
  };
}
