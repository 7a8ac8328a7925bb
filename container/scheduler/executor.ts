import type { Engine, PlanResult } from '#engine/types.ts';
import type { SequencePool } from './sequences.ts';
import { assume, type Step, toPlan, undo } from './step.ts';

/** One plan runs, one waits, so that the engine never waits for JavaScript. */
const PLANS_IN_FLIGHT = 2;

export interface Work {
  /** What to do after all that is in flight. */
  propose(): Step | undefined;
  report(step: Step, result: PlanResult): void;
  /** A plan found no room; nothing is in flight. */
  makeRoom(): void;
}

interface PlanInFlight {
  id: number;
  step: Step;
}

/** Runs steps on an engine, and keeps the books right when plans are withdrawn or dropped. */
export class Executor {
  readonly #engine: Engine;
  readonly #sequences: SequencePool;
  readonly #work: Work;
  #inFlight: PlanInFlight[] = [];
  #lastPlan = 0;
  /** Plans behind a dropped one come back dropped too; nothing is planned until they have. */
  #awaitsDropped = false;

  constructor(engine: Engine, sequences: SequencePool, work: Work) {
    this.#engine = engine;
    this.#sequences = sequences;
    this.#work = work;
  }

  get isIdle(): boolean {
    return this.#inFlight.length === 0;
  }

  keepBusy(): void {
    while (!this.#awaitsDropped && this.#inFlight.length < PLANS_IN_FLIGHT) {
      const step = this.#work.propose();
      if (step === undefined) return;
      const id = ++this.#lastPlan;
      this.#engine.submit(toPlan(id, step));
      assume(step, this.#sequences);
      this.#inFlight.push({ id, step });
    }
  }

  /** Plans anew what the engine has not taken yet. */
  replan(): void {
    if (this.#inFlight.length === PLANS_IN_FLIGHT && !this.#awaitsDropped) this.#withdraw();
    this.keepBusy();
  }

  /** Call `keepBusy` once what the result freed is given out again. */
  hear(result: PlanResult): void {
    const { id, step } = this.#inFlight.shift()!;
    if (result.plan !== id) throw new Error(`result of plan ${result.plan} where plan ${id} was due`);
    if (result.outcome === 'done') this.#work.report(step, result);
    else this.#recover(step, result);
  }

  /** Forgets all plans of an engine that broke. */
  abandon(): void {
    this.#inFlight = [];
    this.#awaitsDropped = false;
  }

  #withdraw(): void {
    if (this.#engine.withdraw() === undefined) return;
    undo(this.#inFlight.pop()!.step, this.#sequences);
  }

  #recover(step: Step, result: PlanResult): void {
    undo(step, this.#sequences, result.cache);
    this.#awaitsDropped = this.#inFlight.length > 0;
    if (!this.#awaitsDropped) this.#work.makeRoom();
  }
}
