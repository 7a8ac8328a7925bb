import { describe, expect, it } from 'vitest';
import { makeJob, makeWorld, SEEDED, submit } from './harness.ts';
import { runAlone } from './reference.ts';

describe('choices', () => {
  it('share the prompt of the first and differ from it', async () => {
    const world = makeWorld();
    const job = makeJob(world, { text: ' the'.repeat(40), choices: 4, maxTokens: 10 });
    const heard = submit(world, job);
    let mostCells = 0;
    while (await world.step()) mostCells = Math.max(mostCells, world.scheduler.load.usedCells);
    const alone = await runAlone(job, 256);
    expect([0, 1, 2, 3].map((choice) => heard.textOf(choice))).toEqual(alone.map(({ text }) => text));
    expect(new Set(alone.map(({ text }) => text)).size).toBe(4);
    expect(world.submitted.flatMap(({ cache }) => cache).filter(({ op }) => op === 'copy')).toHaveLength(3);
    expect(mostCells).toBeLessThanOrEqual(job.prompt.length + 4 * 10);
  });

  it('compute the prompt each on memory that cannot be cut', async () => {
    const world = makeWorld({}, {}, { canTrim: false });
    const heard = submit(world, { choices: 3 });
    await world.run();
    expect(heard.ends).toHaveLength(3);
    expect(world.submitted.flatMap(({ cache }) => cache).filter(({ op }) => op === 'copy')).toHaveLength(0);
  });

  it('come one by one where slots are few', async () => {
    const world = makeWorld({ slots: 2 });
    const job = makeJob(world, { choices: 5, sampling: { ...SEEDED, ignoreEos: false }, maxTokens: 30 });
    const heard = submit(world, job);
    await world.run();
    const alone = await runAlone(job, 256);
    expect(heard.ends).toHaveLength(5);
    expect([0, 1, 2, 3, 4].map((choice) => heard.textOf(choice))).toEqual(alone.map(({ text }) => text));
  });

  it('all end when their job is cancelled', async () => {
    const world = makeWorld({ slots: 2 });
    const heard = submit(world, { choices: 5, maxTokens: 50 });
    for (let step = 0; step < 8; step++) await world.step();
    world.scheduler.cancel(heard.id);
    await world.run();
    expect(world.scheduler.load).toMatchObject({ running: 0, queued: 0, usedCells: 0 });
    expect(heard.events.at(-1)).toMatchObject({ type: 'failed', code: 'cancelled' });
  });
});
