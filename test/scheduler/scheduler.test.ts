import { describe, expect, it } from 'vitest';
import type { Entry, Plan } from '#engine';
import { makeJob, makeWorld, stepUntil, submit } from './harness.ts';
import { runAlone } from './reference.ts';

const LONG_PROMPT = ' the'.repeat(200);

const prefillTokens = (plan: Plan) =>
  plan.entries.reduce((sum, entry) => sum + (entry.kind === 'prefill' ? entry.tokens.length : 0), 0);
const isDecode = (entry: Entry) => entry.kind === 'decode';

describe('a job', () => {
  it('hears its text and then its end', async () => {
    const world = makeWorld();
    const job = makeJob(world, { maxTokens: 12 });
    const heard = submit(world, job);
    await world.run();
    const [alone] = await runAlone(job, 256);
    expect(heard.textOf(0)).toBe(alone!.text);
    expect(heard.ends).toMatchObject([{ choice: 0, finish: 'length', cachedTokens: 0, completionTokens: 12 }]);
  });

  it('hears how far a long prompt is', async () => {
    const world = makeWorld();
    const heard = submit(world, { text: LONG_PROMPT });
    await world.run();
    const progress = heard.events.filter((event) => event.type === 'progress');
    expect(progress).toEqual([64, 128, 192].map((prefilled) => ({ type: 'progress', prefilled })));
  });

  it('is told how long it waited, prefilled and decoded', async () => {
    const world = makeWorld({ slots: 1, stepCost: () => 10 });
    const step = () => {
      world.clock.advance(10);
      return world.step();
    };
    submit(world, { maxTokens: 3 });
    const heard = submit(world, { maxTokens: 3 });
    while (await step());
    // The first job takes its plan at 10 ms and ends at 40; the second one is taken at 50.
    expect(heard.ends[0]!.timings).toEqual({ queueMs: 50, prefillMs: 10, decodeMs: 20 });
  });

  it('counts in the load while it waits and while it runs', async () => {
    const world = makeWorld({ slots: 1 });
    submit(world, { maxTokens: 20 });
    submit(world);
    expect(world.scheduler.load).toMatchObject({ running: 1, queued: 1, cells: 256 });
    while (world.scheduler.load.usedCells === 0) await world.step();
    await world.run();
    world.clock.advance(1000);
    expect(world.scheduler.load).toMatchObject({ running: 0, queued: 0, usedCells: 0, tokensPerSecond: 28 / 5 });
  });

  it('waits until there are cells for all that it may need', async () => {
    const world = makeWorld({ cells: 100, context: 100 });
    const first = submit(world, { maxTokens: 60 });
    const second = submit(world, { maxTokens: 60 });
    expect(world.scheduler.load).toMatchObject({ running: 1, queued: 1 });
    await stepUntil(world, () => first.isOver);
    expect(world.scheduler.load).toMatchObject({ running: 1, queued: 0 });
    await world.run();
    expect(second.ends).toHaveLength(1);
    expect(world.droppedPlans()).toBe(0);
  });

  it('is refused by throwing where it cannot be right', () => {
    const world = makeWorld();
    const job = makeJob(world);
    world.scheduler.submit(job, () => {});
    expect(() => world.scheduler.submit(job, () => {})).toThrow(RangeError);
    expect(() => submit(world, { prompt: new Int32Array(0) })).toThrow(RangeError);
    expect(() => submit(world, { prompt: new Int32Array(256) })).toThrow(RangeError);
  });
});

describe('a step', () => {
  it('waits with the engine while another runs', async () => {
    const world = makeWorld();
    submit(world, { maxTokens: 20 });
    await world.step();
    expect(world.submitted).toHaveLength(2);
    await world.step();
    expect(world.submitted).toHaveLength(3);
  });

  it('is not planned beyond the last token a job may have', async () => {
    const world = makeWorld();
    submit(world, { maxTokens: 6 });
    await world.run();
    expect(world.submitted.flatMap(({ entries }) => entries).filter(isDecode)).toHaveLength(5);
  });

  it('is planned anew for a job that arrives before the engine takes it', async () => {
    const world = makeWorld();
    submit(world, { maxTokens: 20 });
    await world.step();
    const waiting = world.submitted.at(-1)!;
    expect(waiting.entries.map(isDecode)).toEqual([true]);
    submit(world);
    await Promise.resolve();
    expect(world.submitted.at(-1)!.entries.map(isDecode)).toEqual([true, false]);
    await world.run();
  });

  it('plans a burst of jobs once', async () => {
    const world = makeWorld();
    for (let job = 0; job < 4; job++) submit(world, { text: ' people' });
    await Promise.resolve();
    expect(world.submitted[0]!.entries).toHaveLength(4);
    await world.run();
  });

  it('takes the whole batch of a prompt when nobody waits for tokens, and what a stream can afford otherwise', async () => {
    const world = makeWorld({ context: 1024, batch: 256, stepCost: (tokens) => tokens }, { stepMs: 100 });
    const stream = submit(world, { text: LONG_PROMPT, maxTokens: 200 });
    await stepUntil(world, () => stream.events.length > 20);
    expect(prefillTokens(world.submitted[0]!)).toBe(200);

    const before = world.submitted.length;
    const late = submit(world, { text: LONG_PROMPT });
    await stepUntil(world, () => late.events.some((event) => event.type === 'delta'));
    const beside = world.submitted.slice(before).filter((plan) => prefillTokens(plan) > 0);
    expect(beside.every((plan) => plan.entries.some(isDecode))).toBe(true);
    expect(Math.max(...beside.map(prefillTokens))).toBe(99);
    await world.run();
  });
});

describe('a cancel', () => {
  const cancelled = { type: 'failed', code: 'cancelled', retryable: false };

  it('ends a job that waits', async () => {
    const world = makeWorld({ slots: 1 });
    submit(world);
    const waiting = submit(world);
    world.scheduler.cancel(waiting.id);
    expect(waiting.events).toMatchObject([cancelled]);
    await world.run();
    expect(world.opened).toHaveLength(1);
  });

  it.each([
    ['prefill', 3],
    ['decode', 12],
  ])('ends a job in %s and frees its cells with the next plan', async (_, steps) => {
    const world = makeWorld();
    const heard = submit(world, { text: LONG_PROMPT, maxTokens: 40 });
    for (let step = 0; step < steps; step++) await world.step();
    expect(world.scheduler.load.usedCells).toBeGreaterThan(0);
    world.scheduler.cancel(heard.id);
    expect(heard.failure).toMatchObject(cancelled);
    expect(world.scheduler.load.running).toBe(0);
    await world.run();
    expect(world.scheduler.load.usedCells).toBe(0);
    expect(world.faults).toEqual([]);
  });

  it('from within a listener ends the job there', async () => {
    const world = makeWorld();
    const job = makeJob(world, { maxTokens: 1 });
    const types: string[] = [];
    world.scheduler.submit(job, (event) => {
      types.push(event.type);
      if (event.type === 'delta') world.scheduler.cancel(job.id);
    });
    await world.run();
    expect(types).toEqual(['delta', 'failed']);
  });

  it('of a job that nobody knows does nothing', () => {
    expect(() => makeWorld().scheduler.cancel('nobody')).not.toThrow();
  });

  it('gives its slot to the next job at once', async () => {
    const world = makeWorld({ slots: 1 });
    const first = submit(world, { maxTokens: 100 });
    submit(world);
    for (let step = 0; step < 10; step++) await world.step();
    world.scheduler.cancel(first.id);
    await Promise.resolve();
    expect(world.submitted.at(-1)!.cache.map(({ op }) => op)).toEqual(['release', 'bind']);
    await world.run();
  });
});

describe('a deadline', () => {
  it('ends jobs wherever they are, with one timer', async () => {
    const world = makeWorld({ slots: 1 });
    const now = world.clock.now();
    const [running, waiting, patient] = [5000, 3000, 9000].map((ms) =>
      submit(world, { deadline: now + ms, maxTokens: 99 }),
    );
    await world.step();
    expect(world.clock.timers).toBe(1);
    world.clock.advance(2999);
    expect(waiting!.isOver).toBe(false);
    world.clock.advance(1);
    expect(waiting!.failure).toMatchObject({ code: 'deadline_exceeded', retryable: false });
    expect(running!.isOver).toBe(false);
    world.clock.advance(2000);
    expect(running!.failure).toMatchObject({ code: 'deadline_exceeded' });
    await world.run();
    expect(patient!.ends).toHaveLength(1);
  });

  it('that has passed refuses the job after submit', async () => {
    const world = makeWorld();
    const late = submit(world, { deadline: world.clock.now() });
    await Promise.resolve();
    expect(late.failure).toMatchObject({ code: 'deadline_exceeded' });
    expect(world.opened).toHaveLength(0);
  });

  it('may be as far away as one likes', async () => {
    const world = makeWorld();
    const heard = submit(world, { deadline: Number.POSITIVE_INFINITY });
    world.clock.advance(2 ** 33);
    await world.run();
    expect(heard.ends).toHaveLength(1);
  });
});

describe('priorities', () => {
  it('let an urgent job pass those that wait', async () => {
    const world = makeWorld({ slots: 1 });
    const order: string[] = [];
    const submitAs = (id: string, priority: number) =>
      world.scheduler.submit(
        { ...makeJob(world, { priority }), id },
        (event) => event.type === 'end' && order.push(id),
      );
    submitAs('running', 9);
    submitAs('low', 9);
    submitAs('urgent', 0);
    submitAs('second urgent', 0);
    await world.run();
    expect(order).toEqual(['running', 'urgent', 'second urgent', 'low']);
  });

  it('age, so that a stream of urgent jobs does not starve a low one', async () => {
    const world = makeWorld({ slots: 1 }, { ageingMs: 100 });
    let urgent = submit(world, { priority: 0 });
    const starved = submit(world, { priority: 9 });
    let urgentBefore = 0;
    while (!starved.isOver) {
      const nextUrgent = submit(world, { priority: 0 });
      await stepUntil(world, () => urgent.isOver || starved.isOver);
      if (urgent.isOver) urgentBefore++;
      urgent = nextUrgent;
      world.clock.advance(50);
    }
    expect(urgentBefore).toBeGreaterThan(10);
    expect(urgentBefore).toBeLessThanOrEqual(20);
    await world.run();
  });
});
