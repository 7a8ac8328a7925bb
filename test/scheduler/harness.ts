/** A scheduler over a simulated engine that moves by hand, under a clock that moves by hand. */
import { expect } from 'vitest';
import type { Clock } from '#container/scheduler/clock.ts';
import { createScheduler, type SchedulerOptions } from '#container/scheduler/scheduler.ts';
import type { Job, JobEvent, Scheduler } from '#container/scheduler/types.ts';
import type { Plan, Sampling, SlotInit } from '#engine';
import { SimulatedEngine, type SimulatedOptions } from '#engine';
import { GREEDY } from '../support/plan-runner.ts';

export class ManualClock implements Clock {
  #now = 1_700_000_000_000;
  #timers: { at: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  advance(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter((timer) => timer.at <= this.#now);
    this.#timers = this.#timers.filter((timer) => timer.at > this.#now);
    for (const timer of due) timer.run();
  }

  get timers(): number {
    return this.#timers.length;
  }
}

/** What a listener heard, checked as it comes. */
export class Heard {
  readonly events: JobEvent[] = [];
  readonly choices: number;

  constructor(choices: number) {
    this.choices = choices;
  }

  readonly listen = (event: JobEvent): void => {
    expect(this.isOver, `event ${JSON.stringify(event)} after the end`).toBe(false);
    if (event.type === 'delta' || event.type === 'end') expect(this.endOf(event.choice)).toBeUndefined();
    this.events.push(event);
  };

  get isOver(): boolean {
    return this.failure !== undefined || this.ends.length === this.choices;
  }

  get failure() {
    return this.events.find((event) => event.type === 'failed');
  }

  get ends() {
    return this.events.filter((event) => event.type === 'end');
  }

  endOf(choice: number) {
    return this.ends.find((event) => event.choice === choice);
  }

  textOf(choice: number): string {
    return this.events
      .filter((event) => event.type === 'delta' && event.choice === choice)
      .map((event) => (event.type === 'delta' ? event.text : ''))
      .join('');
  }
}

export interface World {
  engine: SimulatedEngine;
  scheduler: Scheduler;
  clock: ManualClock;
  /** Every plan the engine was given, withdrawn ones too. */
  submitted: Plan[];
  /** The slots that were opened. */
  opened: SlotInit[];
  faults: unknown[];
  droppedPlans(): number;
  /** Moves the engine and lets planned turns run; false when the engine had nothing to do. */
  step(): Promise<boolean>;
  run(): Promise<void>;
}

/** What the engine says of itself where that is not what it does. */
interface Announced {
  cells?: number;
  canTrim?: boolean;
}

export function makeWorld(
  engineOptions: SimulatedOptions = {},
  schedulerOptions: Partial<SchedulerOptions> = {},
  announced: Announced = {},
): World {
  const engine = new SimulatedEngine({ context: 256, slots: 4, batch: 64, autorun: false, ...engineOptions });
  const { cells = engine.limits.cells, canTrim = true } = announced;
  Object.assign(engine, { limits: { ...engine.limits, cells }, model: { ...engine.model, canTrim } });
  const submitted: Plan[] = [];
  const opened: SlotInit[] = [];
  const { submit, openSlot } = engine;
  engine.submit = (plan) => {
    submit.call(engine, plan);
    submitted.push(plan);
  };
  engine.openSlot = (init) => {
    const slot = openSlot.call(engine, init);
    opened.push(init);
    return slot;
  };
  const faults: unknown[] = [];
  const clock = new ManualClock();
  const scheduler = createScheduler(engine, {
    slots: engineOptions.slots ?? 4,
    clock,
    onFault: (error) => faults.push(error),
    ...schedulerOptions,
  });
  const { onResult } = engine;
  let droppedPlans = 0;
  engine.onResult = (result) => {
    if (result.outcome === 'dropped') droppedPlans++;
    onResult(result);
  };
  const step = async () => {
    await Promise.resolve();
    const moved = engine.step();
    await Promise.resolve();
    return moved;
  };
  const run = async () => {
    for (let steps = 0; await step(); steps++) {
      if (steps > 100_000) throw new Error('the scheduler never comes to rest');
    }
  };
  return { engine, scheduler, clock, submitted, opened, faults, droppedPlans: () => droppedPlans, step, run };
}

export const SEEDED: Sampling = { ...GREEDY, temperature: 1, seed: 7, ignoreEos: true };

/** Moves until the condition holds. */
export async function stepUntil(world: World, condition: () => boolean): Promise<void> {
  while (!condition()) expect(await world.step(), 'the engine came to rest').toBe(true);
}

let lastJob = 0;

export function makeJob(world: World, job: Partial<Job> & { text?: string } = {}): Job {
  const { text = 'Tell me about the other people', prompt = world.engine.tokenize(text), ...rest } = job;
  return {
    id: `job-${++lastJob}`,
    prompt,
    choices: 1,
    sampling: SEEDED,
    maxTokens: 8,
    stops: [],
    topLogprobs: null,
    priority: 5,
    deadline: world.clock.now() + 600_000,
    ...rest,
  };
}

export function submit(world: World, job: Partial<Job> & { text?: string } = {}): Heard & { id: string } {
  const made = makeJob(world, job);
  const heard = Object.assign(new Heard(made.choices), { id: made.id });
  world.scheduler.submit(made, heard.listen);
  expect(heard.events).toEqual([]);
  return heard;
}
