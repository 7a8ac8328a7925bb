import { describe, expect, it } from 'vitest';
import { IntegrityError } from '#container/scheduler/integrity.ts';
import type { CacheOp } from '#engine';
import { makeJob, makeWorld, stepUntil, submit } from './harness.ts';
import { runAlone } from './reference.ts';

describe('a full queue', () => {
  it('refuses the job after submit, and takes jobs again later', async () => {
    const world = makeWorld({ slots: 1 }, { queueLimit: 1 });
    const accepted = [submit(world), submit(world)];
    const refused = submit(world);
    await Promise.resolve();
    expect(refused.events).toMatchObject([{ type: 'failed', code: 'overloaded', retryable: true }]);
    await world.run();
    expect(accepted.map(({ ends }) => ends.length)).toEqual([1, 1]);
    const later = submit(world);
    await world.run();
    expect(later.ends).toHaveLength(1);
  });

  it('counts only jobs that find no slot', async () => {
    const world = makeWorld({ slots: 3 }, { queueLimit: 0 });
    const heard = [submit(world), submit(world), submit(world), submit(world)];
    await world.run();
    expect(heard.map(({ ends }) => ends.length)).toEqual([1, 1, 1, 0]);
    expect(heard[3]!.failure).toMatchObject({ code: 'overloaded' });
  });
});

describe('drain', () => {
  it('refuses new jobs and resolves when the accepted ones have ended', async () => {
    const world = makeWorld({ slots: 1 });
    const accepted = [submit(world), submit(world)];
    let isDrained = false;
    const drained = world.scheduler.drain().then(() => {
      isDrained = true;
    });
    const refused = submit(world);
    await Promise.resolve();
    expect(refused.failure).toMatchObject({ code: 'draining', retryable: true });
    await stepUntil(world, () => accepted[0]!.isOver);
    expect(isDrained).toBe(false);
    await world.run();
    await drained;
    expect(accepted.map(({ ends }) => ends.length)).toEqual([1, 1]);
    expect(world.scheduler.load.usedCells).toBe(0);
  });

  it('resolves at once when nobody runs', async () => {
    await expect(makeWorld().scheduler.drain()).resolves.toBeUndefined();
  });
});

describe('an engine that breaks', () => {
  const engineFailed = { type: 'failed', code: 'engine_failed', retryable: true };

  it('fails every job, and those that come later', async () => {
    const world = makeWorld({ slots: 1 });
    const heard = [submit(world, { maxTokens: 50 }), submit(world)];
    const prompt = world.engine.tokenize('too late');
    const drained = world.scheduler.drain();
    for (let step = 0; step < 6; step++) await world.step();
    world.engine.breakDown('no more');
    for (const job of heard) expect(job.failure).toMatchObject(engineFailed);
    await drained;
    const later = submit(world, { prompt });
    await Promise.resolve();
    expect(later.events).toMatchObject([engineFailed]);
  });

  it('fails the job after submit when it is closed', async () => {
    const world = makeWorld();
    const prompt = world.engine.tokenize('too late');
    await world.engine.close();
    const heard = submit(world, { prompt });
    await new Promise(setImmediate);
    expect(heard.events).toMatchObject([engineFailed]);
  });

  it('fails a job whose slot it lost', async () => {
    const world = makeWorld();
    const [lost, other] = [submit(world, { maxTokens: 50 }), submit(world, { maxTokens: 50 })];
    for (let step = 0; step < 6; step++) await world.step();
    const decodes = world.submitted.at(-1)!.entries;
    world.engine.closeSlot(decodes[0]!.slot);
    await world.run();
    expect(lost.failure).toMatchObject(engineFailed);
    expect(other.ends).toHaveLength(1);
  });
});

describe('an engine with fewer cells than it said', () => {
  it('pauses the youngest job, which then goes on as if nothing had happened', async () => {
    const world = makeWorld({ cells: 110, context: 100 }, {}, { cells: 400 });
    const jobs = [1, 2, 3].map((seed) => makeJob(world, { maxTokens: 60, text: ` people${seed}` }));
    const heard = jobs.map((job) => submit(world, job));
    const order: number[] = [];
    await stepUntil(world, () => {
      for (const [index, { isOver }] of heard.entries()) {
        if (isOver && !order.includes(index)) order.push(index);
      }
      return order.length === 3;
    });
    await world.run();
    expect(order).toEqual([0, 1, 2]);
    for (const [index, job] of jobs.entries()) {
      expect(heard[index]!.textOf(0)).toBe((await runAlone(job, 100))[0]!.text);
    }
    expect(world.faults).toEqual([]);
  });

  it('lets the paused jobs go on as soon as another has ended', async () => {
    const world = makeWorld({ cells: 110, context: 100 }, {}, { cells: 400 });
    const heard = [1, 2, 3].map(() => submit(world, { maxTokens: 60 }));
    await stepUntil(world, () => heard[0]!.isOver);
    expect(world.droppedPlans()).toBeGreaterThan(0);
    expect(world.scheduler.load).toMatchObject({ running: 2, queued: 0 });
    await world.run();
  });

  it('fails a job that does not fit alone, and serves the next', async () => {
    const world = makeWorld({ cells: 30, context: 100 }, {}, { cells: 400 });
    const heard = submit(world, { maxTokens: 60 });
    await world.run();
    expect(heard.failure).toMatchObject({ code: 'engine_failed', retryable: true });
    const next = submit(world, { maxTokens: 4 });
    await world.run();
    expect(next.ends).toHaveLength(1);
    expect(world.faults).toEqual([]);
  });
});

describe('faults', () => {
  it('of a listener are heard and disturb nobody', async () => {
    const world = makeWorld();
    const fault = new Error('a bad listener');
    world.scheduler.submit(makeJob(world), () => {
      throw fault;
    });
    const other = submit(world);
    await world.run();
    expect(world.faults.length).toBeGreaterThan(1);
    expect(new Set(world.faults)).toEqual(new Set([fault]));
    expect(other.ends).toHaveLength(1);
  });

  it('in the books are found when nobody runs', async () => {
    const world = makeWorld();
    const keepOneCell = (op: CacheOp): CacheOp =>
      op.op === 'release' ? { op: 'trim', sequence: op.sequence, length: 1 } : op;
    const { submit: submitPlan } = world.engine;
    world.engine.submit = (plan) =>
      submitPlan.call(world.engine, {
        ...plan,
        cache: plan.cache.map(keepOneCell),
      });
    submit(world);
    await world.run();
    expect(world.faults).toEqual([expect.any(IntegrityError)]);
    expect(() => world.scheduler.checkIntegrity()).toThrow(/1 used cells when idle/);
  });
});
