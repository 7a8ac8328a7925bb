/**
 * Continuous batching over an engine: every step decodes all streams and prefills as much of the waiting prompts as the
 * streams can afford. `plan.ts` proposes steps, `executor.ts` keeps two of them in flight, and this file turns events
 * (a job, a cancel, a deadline, a result, a broken engine) into changes of the state.
 */
import { type Engine, EngineError, type PlanResult } from '#engine/types.ts';
import { admitWaiting, preemptYoungest } from './admission.ts';
import { PrefillBudget } from './budget.ts';
import { type Clock, systemClock } from './clock.ts';
import { Deadlines } from './deadlines.ts';
import { Executor } from './executor.ts';
import { checkIdle, checkState } from './integrity.ts';
import { Jobs, type Listener } from './jobs.ts';
import { proposeStep } from './plan.ts';
import { TokenRate } from './rate.ts';
import { Request } from './request.ts';
import { ResultReader } from './results.ts';
import { State } from './state.ts';
import type { Job, JobFailure, Scheduler, SchedulerLoad } from './types.ts';

export interface SchedulerOptions {
  /** Choices that generate at the same time; at most the slots the engine was loaded with. */
  slots: number;
  /** Jobs that may wait; a job beyond it fails with `overloaded`. Default 1,024. */
  queueLimit?: number;
  /** Most tokens of a step. Default: the engine's batch. */
  stepTokens?: number;
  /** A step in which streams wait for tokens takes about so many milliseconds at most. Default 50. */
  stepMs?: number;
  /** A job counts as arrived so many milliseconds later for each step of its priority. Default 2,000. */
  ageingMs?: number;
  clock?: Clock;
  /** Hears what a listener threw, and IntegrityError. Default: thrown again from a microtask. */
  onFault?: (error: unknown) => void;
}

/**
 * Takes over the engine's `onResult` and `onBroken`. `submit` throws RangeError for a job id that is in use, and for a
 * prompt that is empty or leaves no room in the context.
 */
export function createScheduler(engine: Engine, options: SchedulerOptions): Scheduler {
  return new EventScheduler(engine, options);
}

class EventScheduler implements Scheduler {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #queueLimit: number;
  readonly #ageingMs: number;
  readonly #contextLimit: number;
  readonly #onFault: (error: unknown) => void;
  readonly #state: State;
  readonly #jobs: Jobs;
  readonly #executor: Executor;
  readonly #deadlines: Deadlines;
  readonly #rate = new TokenRate();
  #usedCells = 0;
  #willReplan = false;
  #isDraining = false;
  #drained: (() => void)[] = [];
  #broken: EngineError | undefined;

  constructor(engine: Engine, options: SchedulerOptions) {
    const { limits } = engine;
    const stepTokens = Math.min(options.stepTokens ?? limits.batch, limits.batch);
    this.#engine = engine;
    this.#clock = options.clock ?? systemClock;
    this.#queueLimit = options.queueLimit ?? 1024;
    this.#ageingMs = options.ageingMs ?? 2000;
    this.#contextLimit = Math.min(limits.context, limits.cells);
    this.#onFault = options.onFault ?? throwLater;
    this.#state = new State(limits, {
      // With no more choices than tokens, a prompt always finds room beside the streams.
      slots: Math.min(options.slots, limits.sequences, stepTokens),
      sharesPrompts: engine.model.canTrim,
    });
    this.#jobs = new Jobs(this.#state, engine, {
      orBreakDown: (run) => this.#orBreakDown(run),
      onFault: this.#onFault,
    });
    const budget = new PrefillBudget(options.stepMs ?? 50, stepTokens);
    const results = new ResultReader(this.#jobs, { budget, rate: this.#rate, clock: this.#clock });
    this.#executor = new Executor(engine, this.#state.sequences, {
      propose: () => proposeStep(this.#state, budget),
      report: (step, result) => results.read(step, result),
      makeRoom: () => this.#makeRoom(),
    });
    this.#deadlines = new Deadlines(this.#clock, this.#state.requests, (request) =>
      this.#fail(request, 'deadline_exceeded', 'the deadline has passed'),
    );
    engine.onResult = (result) => this.#hear(result);
    engine.onBroken = (error) => this.#breakDown(error);
  }

  get load(): SchedulerLoad {
    return {
      running: this.#state.running.size,
      queued: this.#state.queue.size,
      usedCells: this.#usedCells,
      cells: this.#state.cells.capacity,
      tokensPerSecond: this.#rate.perSecond(this.#clock.now()),
    };
  }

  submit(job: Job, listener: Listener): void {
    this.#throwUnlessValid(job);
    const submittedAt = this.#clock.now();
    const refusal = this.#refusalOf(job, submittedAt);
    if (refusal !== undefined) {
      this.#jobs.refuse(listener, refusal.code, refusal.message);
      return;
    }
    const request = new Request(job, listener, {
      submittedAt,
      rank: submittedAt + job.priority * this.#ageingMs,
      maxTokens: Math.min(job.maxTokens ?? Number.POSITIVE_INFINITY, this.#contextLimit - job.prompt.length),
    });
    this.#state.requests.set(job.id, request);
    this.#state.queue.add(request);
    this.#admitWaiting();
    if (request.running.size === 0 && this.#state.queue.size > this.#queueLimit) {
      this.#jobs.forget(request);
      this.#jobs.refuse(listener, 'overloaded', `${this.#queueLimit} jobs are waiting already`);
    } else {
      this.#deadlines.watch(job.deadline);
    }
  }

  cancel(id: string): void {
    const request = this.#state.requests.get(id);
    if (request !== undefined) this.#fail(request, 'cancelled', 'the job was cancelled');
  }

  drain(): Promise<void> {
    this.#isDraining = true;
    return new Promise((resolve) => {
      this.#drained.push(resolve);
      this.#settle();
    });
  }

  checkIntegrity(): void {
    if (this.#broken !== undefined) return;
    if (this.#isIdle) checkIdle(this.#state, this.#usedCells);
    else checkState(this.#state);
  }

  get #isIdle(): boolean {
    return this.#executor.isIdle && this.#state.requests.size === 0 && !this.#willReplan;
  }

  #throwUnlessValid(job: Job): void {
    if (this.#state.requests.has(job.id)) throw new RangeError(`job ${job.id} is submitted already`);
    if (job.prompt.length === 0 || job.prompt.length >= this.#contextLimit) {
      throw new RangeError(`a prompt of ${job.prompt.length} tokens in a context of ${this.#contextLimit}`);
    }
  }

  #refusalOf(job: Job, now: number): { code: JobFailure; message: string } | undefined {
    if (this.#broken !== undefined) return { code: 'engine_failed', message: this.#broken.message };
    if (this.#isDraining) return { code: 'draining', message: 'the worker is shutting down' };
    if (job.deadline <= now) return { code: 'deadline_exceeded', message: 'the deadline has passed' };
    return undefined;
  }

  #admitWaiting(): void {
    this.#orBreakDown(() => {
      if (admitWaiting(this.#state, this.#engine) > 0) this.#replanSoon();
    });
  }

  /** Once for all events of a turn, so that a burst of jobs is planned together. */
  #replanSoon(): void {
    if (this.#willReplan) return;
    this.#willReplan = true;
    queueMicrotask(() => {
      this.#willReplan = false;
      if (this.#broken === undefined) this.#replan();
      this.#settle();
    });
  }

  #replan(): void {
    this.#orBreakDown(() => {
      admitWaiting(this.#state, this.#engine);
      this.#executor.replan();
    });
  }

  #hear(result: PlanResult): void {
    if (this.#broken !== undefined) return;
    this.#usedCells = result.usedCells;
    this.#orBreakDown(() => {
      this.#executor.hear(result);
      admitWaiting(this.#state, this.#engine);
      this.#executor.keepBusy();
    });
    this.#settle();
  }

  #makeRoom(): void {
    if (preemptYoungest(this.#state)) return;
    for (const choice of this.#state.running) {
      this.#fail(choice.request, 'engine_failed', 'the engine has no room for this job alone');
    }
  }

  #fail(request: Request, code: JobFailure, message: string): void {
    this.#jobs.fail(request, code, message);
    this.#replanSoon();
  }

  #breakDown(error: EngineError): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#executor.abandon();
    for (const request of [...this.#state.requests.values()]) {
      this.#jobs.fail(request, 'engine_failed', `the engine failed: ${error.message}`);
    }
    this.#settle();
  }

  /** The engine's errors break it down a moment later, so that no listener is called before `submit` returns. */
  #orBreakDown(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      queueMicrotask(() => this.#breakDown(error));
    }
  }

  /** When nobody runs and nothing is in flight: checks the books and ends a drain. */
  #settle(): void {
    if (!this.#isIdle) return;
    try {
      this.checkIntegrity();
    } catch (error) {
      this.#onFault(error);
    }
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
