import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Job } from '#container/scheduler/types.ts';
import { type Heard, makeJob, makeWorld, SEEDED, submit, type World } from './harness.ts';
import { runAlone } from './reference.ts';

const AGEING_MS = 1000;

interface JobPlan {
  text: string;
  choices: number;
  maxTokens: number | null;
  stops: string[];
  priority: number;
  greedy: boolean;
  ignoreEos: boolean;
  /** Milliseconds from submission. */
  patience: number;
}

type Move =
  | { type: 'submit'; job: JobPlan }
  | { type: 'cancel'; which: number }
  | { type: 'step'; times: number }
  | { type: 'wait'; ms: number };

const words = fc.array(fc.constantFrom(' the', ' people', ' 漢字', ' naïve', '🚀', ' used', 'x'), { maxLength: 30 });

const jobPlan = fc.record<JobPlan>({
  text: words.map((parts) => `>${parts.join('')}`),
  choices: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.integer({ min: 2, max: 5 }) }),
  maxTokens: fc.option(fc.integer({ min: 1, max: 30 }), { nil: null, freq: 8 }),
  stops: fc.array(fc.constantFrom(' th', 'e a', '🚀', 'o', ' may first', '字'), { maxLength: 2 }),
  priority: fc.integer({ min: 0, max: 9 }),
  greedy: fc.boolean(),
  ignoreEos: fc.boolean(),
  patience: fc.oneof({ weight: 6, arbitrary: fc.constant(10_000_000) }, fc.integer({ min: 1, max: 20_000 })),
});

const move = fc.oneof<fc.MaybeWeightedArbitrary<Move>[]>(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('submit' as const), job: jobPlan }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('cancel' as const), which: fc.nat(30) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('step' as const), times: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 9000 }) }) },
);

const sizes = fc.record({
  slots: fc.integer({ min: 1, max: 5 }),
  batch: fc.integer({ min: 1, max: 40 }),
  context: fc.integer({ min: 180, max: 220 }),
  cells: fc.integer({ min: 170, max: 700 }),
});

/** Fewer cells than the scheduler is told. */
const tightSizes = fc.record({
  slots: fc.integer({ min: 3, max: 5 }),
  batch: fc.integer({ min: 5, max: 40 }),
  context: fc.integer({ min: 180, max: 220 }),
  cells: fc.integer({ min: 90, max: 200 }),
});

class Traffic {
  readonly world: World;
  readonly jobs: { job: Job; heard: Heard & { id: string }; patience: number }[] = [];

  constructor(world: World) {
    this.world = world;
  }

  async make(move: Move): Promise<void> {
    if (move.type === 'submit') this.#submit(move.job);
    if (move.type === 'cancel') this.world.scheduler.cancel(this.jobs[move.which]?.job.id ?? 'nobody');
    if (move.type === 'wait') this.world.clock.advance(move.ms);
    if (move.type === 'step') for (let time = 0; time < move.times; time++) await this.world.step();
    this.world.scheduler.checkIntegrity();
  }

  #submit(plan: JobPlan): void {
    const number = this.jobs.length;
    const sampling = { ...SEEDED, temperature: plan.greedy ? 0 : 1, seed: number, ignoreEos: plan.ignoreEos };
    const deadline = this.world.clock.now() + plan.patience;
    const job = makeJob(this.world, { ...plan, text: `${number}${plan.text}`, sampling, deadline });
    this.jobs.push({ job, heard: submit(this.world, job), patience: plan.patience });
  }
}

async function expectNothingHeld(world: World): Promise<void> {
  expect(world.faults).toEqual([]);
  world.scheduler.checkIntegrity();
  expect(world.scheduler.load).toMatchObject({ running: 0, queued: 0, usedCells: 0 });
  const slots = world.engine.limits.sequences;
  expect(() => {
    for (let slot = 0; slot < slots; slot++) world.engine.openSlot({ ...world.opened[0]!, stops: [] });
  }).not.toThrow();
}

/** Each choice gave what it gives alone, or the beginning of it where its job failed. */
async function expectOutputsAsAlone({ world, jobs }: Traffic, mayFail: (job: Job) => boolean): Promise<void> {
  const contextLimit = Math.min(world.engine.limits.context, world.engine.limits.cells);
  for (const { job, heard, patience } of jobs) {
    expect(heard.isOver).toBe(true);
    const expected = await runAlone(job, contextLimit);
    expected.forEach(({ text, finish, completionTokens }, choice) => {
      const end = heard.endOf(choice);
      if (end === undefined) expect(text.startsWith(heard.textOf(choice))).toBe(true);
      else expect({ ...end, text: heard.textOf(choice) }).toMatchObject({ text, finish, completionTokens });
    });
    const code = heard.failure?.type === 'failed' ? heard.failure.code : undefined;
    if (code === 'deadline_exceeded') expect(patience).toBeLessThan(10_000_000);
    else if (code !== undefined && code !== 'cancelled') expect(mayFail(job)).toBe(true);
  }
}

describe('whatever arrives, whenever it is cancelled', () => {
  it('every job finishes once, as alone, and nothing leaks', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(move, { maxLength: 40 }), async (sizes, moves) => {
        const world = makeWorld(sizes, { slots: sizes.slots, ageingMs: AGEING_MS });
        const traffic = new Traffic(world);
        for (const move of moves) await traffic.make(move);
        await world.run();
        expect(world.droppedPlans()).toBe(0);
        await expectOutputsAsAlone(traffic, () => false);
        if (world.opened.length > 0) await expectNothingHeld(world);
      }),
      { numRuns: 300 },
    );
  });

  it('the same holds on an engine that drops plans, but for jobs that do not fit at all', async () => {
    await fc.assert(
      fc.asyncProperty(tightSizes, fc.array(move, { minLength: 10, maxLength: 40 }), async (sizes, moves) => {
        const world = makeWorld(sizes, { slots: sizes.slots }, { cells: sizes.slots * sizes.context });
        const worstCase = (job: Job) => Math.min(job.prompt.length + (job.maxTokens ?? sizes.context), sizes.context);
        const traffic = new Traffic(world);
        for (const move of moves) await traffic.make(move);
        await world.run();
        await expectOutputsAsAlone(traffic, (job) => worstCase(job) > sizes.cells);
        if (world.opened.length > 0) await expectNothingHeld(world);
      }),
      { numRuns: 300 },
    );
  });

  it('jobs start in the order of arrival within a priority, and ageing bounds who overtakes', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(move, { maxLength: 40 }), async (sizes, moves) => {
        const world = makeWorld(sizes, { slots: sizes.slots, ageingMs: AGEING_MS });
        const traffic = new Traffic(world);
        const arrivedAt: number[] = [];
        for (const move of moves) {
          if (move.type === 'submit') arrivedAt.push(world.clock.now());
          const startedBefore = new Set(startedJobs(world));
          await traffic.make(move);
          expectFairStarts(traffic, arrivedAt, startedBefore);
        }
        await world.run();
      }),
      { numRuns: 200 },
    );
  });
});

const startedJobs = (world: World) => world.opened.map((init) => init.sampling.seed);

/** Nobody started before somebody who waits, unless it came earlier or its priority outweighs the difference. */
function expectFairStarts({ world, jobs }: Traffic, arrivedAt: number[], startedBefore: Set<number>): void {
  const started = new Set(startedJobs(world));
  const rank = (number: number) => arrivedAt[number]! + jobs[number]!.job.priority * AGEING_MS;
  const waiting = jobs.map((_, number) => number).filter((number) => !started.has(number));
  for (const number of started) {
    if (startedBefore.has(number)) continue;
    for (const other of waiting) {
      if (jobs[other]!.heard.isOver) continue;
      expect(rank(number)).toBeLessThanOrEqual(rank(other));
      if (rank(number) === rank(other) && jobs[number]!.job.priority === jobs[other]!.job.priority) {
        expect(number).toBeLessThan(other);
      }
    }
  }
}
