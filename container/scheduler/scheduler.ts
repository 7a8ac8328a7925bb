/**
 * Continuous batching over an engine: every step decodes all streams and prefills as much of the waiting prompts as the
 * streams can afford. `plan.ts` proposes steps, `executor.ts` keeps two of them in flight, and this file turns events
 * (a job, a cancel, a deadline, a result, a broken engine) into changes of the state.
 */
import { type EndReason, type Engine, EngineError, type EntryResult, type PlanResult } from '#engine/types.ts';
import { admitWaiting, preemptYoungest, retire } from './admission.ts';
import { PrefillBudget } from './budget.ts';
import { type Clock, systemClock } from './clock.ts';
import { Deadlines } from './deadlines.ts';
import { Executor } from './executor.ts';
import { checkIdle, checkState } from './integrity.ts';
import { proposeStep } from './plan.ts';
import { TokenRate } from './rate.ts';
import { type Choice, Request } from './request.ts';
import { costOf, endEvent } from './results.ts';
import { State } from './state.ts';
import { boundLengths, type Step } from './step.ts';
import type { Job, JobEvent, JobFailure, Scheduler, SchedulerLoad } from './types.ts';

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

type Listener = (event: JobEvent) => void;
type Failure = Extract<JobEvent, { type: 'failed' }>;

const RETRYABLE: Record<JobFailure, boolean> = {
  overloaded: true,
  draining: true,
  deadline_exceeded: false,
  cancelled: false,
  engine_failed: true,
};

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
  readonly #budget: PrefillBudget;
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
    this.#budget = new PrefillBudget(options.stepMs ?? 50, stepTokens);
    this.#executor = new Executor(engine, this.#state.sequences, {
      propose: () => proposeStep(this.#state, this.#budget),
      report: (step, result) => this.#report(step, result),
      makeRoom: () => this.#makeRoom(),
    });
    this.#deadlines = new Deadlines(this.#clock, this.#state.requests, (request) =>
      this.#fail(request, 'deadline_exceeded', 'the deadline has passed'),
    );
    engine.onResult = (result) => this.#hearResult(result);
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
    if (this.#broken !== undefined) return this.#refuse(listener, 'engine_failed', this.#broken.message);
    if (this.#isDraining) return this.#refuse(listener, 'draining', 'the worker is shutting down');
    if (job.deadline <= submittedAt) return this.#refuse(listener, 'deadline_exceeded', 'the deadline has passed');

    const request = new Request(job, listener, {
      submittedAt,
      rank: submittedAt + job.priority * this.#ageingMs,
      maxTokens: Math.min(job.maxTokens ?? Number.POSITIVE_INFINITY, this.#contextLimit - job.prompt.length),
    });
    this.#state.requests.set(job.id, request);
    this.#state.queue.add(request);
    this.#admitWaiting();
    if (request.running.size === 0 && this.#state.queue.size > this.#queueLimit) {
      this.#forget(request);
      return this.#refuse(listener, 'overloaded', `${this.#queueLimit} jobs are waiting already`);
    }
    this.#deadlines.watch(job.deadline);
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
    return this.#executor.isIdle && this.#state.requests.size === 0;
  }

  #throwUnlessValid(job: Job): void {
    if (this.#state.requests.has(job.id)) throw new RangeError(`job ${job.id} is submitted already`);
    if (job.prompt.length === 0 || job.prompt.length >= this.#contextLimit) {
      throw new RangeError(`a prompt of ${job.prompt.length} tokens in a context of ${this.#contextLimit}`);
    }
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
      if (this.#broken !== undefined) return;
      this.#admitWaiting();
      this.#orBreakDown(() => this.#executor.replan());
      this.#settle();
    });
  }

  #hearResult(result: PlanResult): void {
    this.#usedCells = result.usedCells;
    this.#orBreakDown(() => this.#executor.hear(result));
    this.#settle();
  }

  #report(step: Step, result: PlanResult): void {
    const now = this.#clock.now();
    const startedAt = now - result.timings.passMs - result.timings.sampleMs;
    this.#budget.learn(costOf(step, result));
    boundLengths(step, result.cache).forEach((length, index) => {
      const { choice, length: wanted } = step.starts[index]!;
      if (choice.isRunning && length !== wanted)
        this.#failOutOfStep(choice, `bound with ${length} of ${wanted} tokens`);
    });
    step.decodes.forEach((choice, index) => {
      choice.expected--;
      this.#hearEntry(choice, result.entries[index]!, startedAt, now);
    });
    step.chunks.forEach(({ choice, to, last }, index) => {
      if (last) choice.expected--;
      this.#hearEntry(choice, result.entries[step.decodes.length + index]!, startedAt, now);
      if (!last && choice.index === 0) this.#tellProgress(choice, to);
    });
    this.#admitWaiting();
  }

  #hearEntry(choice: Choice, entry: EntryResult, startedAt: number, now: number): void {
    if (!choice.isRunning) return;
    if (entry.outcome !== 'ran') return this.#failOutOfStep(choice, entry.outcome);
    choice.firstPassAt ??= Math.max(startedAt, choice.request.submittedAt);
    if (entry.tokens.length > 0) choice.firstTokenAt ??= now;
    for (const token of entry.tokens) choice.generated.push(token);
    choice.unsentTokens += entry.tokens.length;
    this.#rate.add(entry.tokens.length, now);
    if (entry.text !== '') {
      const tokens = choice.unsentTokens;
      choice.unsentTokens = 0;
      this.#tell(choice.request.listener, { type: 'delta', choice: choice.index, text: entry.text, tokens });
    }
    if (entry.end !== undefined && choice.isRunning) this.#finish(choice, entry.end, now);
  }

  #tellProgress(choice: Choice, prefilled: number): void {
    const isFirstTime = choice.feed === choice.request.job.prompt;
    if (choice.isRunning && isFirstTime) this.#tell(choice.request.listener, { type: 'progress', prefilled });
  }

  #finish(choice: Choice, reason: EndReason, now: number): void {
    const { request } = choice;
    retire(this.#state, this.#engine, choice);
    if (request.isDone) this.#forget(request);
    this.#tell(request.listener, endEvent(choice, reason, now));
  }

  #makeRoom(): void {
    if (preemptYoungest(this.#state)) return;
    for (const choice of this.#state.running) {
      this.#fail(choice.request, 'engine_failed', 'the engine has no room for this job alone');
    }
  }

  #failOutOfStep(choice: Choice, what: string): void {
    this.#fail(
      choice.request,
      'engine_failed',
      `the engine and the scheduler disagree: choice ${choice.index} ${what}`,
    );
  }

  #fail(request: Request, code: JobFailure, message: string): void {
    if (this.#broken === undefined) this.#orBreakDown(() => this.#stop(request));
    this.#forget(request);
    this.#tell(request.listener, failure(code, message));
    this.#replanSoon();
  }

  #stop(request: Request): void {
    for (const choice of [...request.running, ...request.waiting]) {
      if (choice.slot !== undefined) this.#engine.cancel(choice.slot);
      retire(this.#state, this.#engine, choice);
    }
  }

  #forget(request: Request): void {
    this.#state.queue.remove(request);
    this.#state.requests.delete(request.job.id);
  }

  #breakDown(error: EngineError): void {
    if (this.#broken !== undefined) return;
    this.#broken = error;
    this.#executor.abandon();
    for (const request of [...this.#state.requests.values()]) {
      this.#fail(request, 'engine_failed', `the engine failed: ${error.message}`);
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

  #settle(): void {
    if (!this.#isIdle) return;
    try {
      this.checkIntegrity();
    } catch (error) {
      this.#onFault(error);
    }
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  #refuse(listener: Listener, code: JobFailure, message: string): void {
    queueMicrotask(() => this.#tell(listener, failure(code, message)));
  }

  #tell(listener: Listener, event: JobEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#onFault(error);
    }
  }
}

function failure(code: JobFailure, message: string): Failure {
  return { type: 'failed', code, message, retryable: RETRYABLE[code] };
}

function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
