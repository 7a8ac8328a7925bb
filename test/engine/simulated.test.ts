import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type EngineError, SimulatedEngine } from '#engine';
import { GREEDY, PlanRunner, slotInit } from '../support/plan-runner.ts';
import { engineContract } from './contract.ts';

engineContract('The simulated engine', async (sizes) => new SimulatedEngine({ ...sizes, cells: 1024 }), {
  exactAcrossBatches: true,
});

const SEEDED = { ...GREEDY, temperature: 1, ignoreEos: true };

async function generate(text: string, init: Parameters<typeof slotInit>[0]) {
  const engine = new SimulatedEngine({ context: 512, slots: 1 });
  const slot = engine.openSlot(slotInit(init));
  const generated = await new PlanRunner(engine).generate(slot, 0, engine.tokenize(text));
  return { ...generated, whole: engine.detokenize(generated.tokens) };
}

/** The text before the stop string that ends first; of those that end together, the one that begins first. */
function cutAtStop(text: string, stops: readonly string[]): string | undefined {
  const bytes = Buffer.from(text, 'utf8');
  const found = stops
    .map((stop) => ({ start: bytes.indexOf(stop), length: Buffer.byteLength(stop) }))
    .filter(({ start }) => start >= 0)
    .sort((one, other) => one.start + one.length - (other.start + other.length) || one.start - other.start);
  return found[0] === undefined ? undefined : bytes.subarray(0, found[0].start).toString('utf8');
}

describe('the simulated engine', () => {
  it('cuts at stop strings where a search of the whole text does', async () => {
    const cuts = fc.array(fc.record({ at: fc.nat(120), length: fc.integer({ min: 1, max: 12 }) }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.nat(), cuts, async (prompt, seed, cuts) => {
        const sampling = { ...SEEDED, seed };
        const { text } = await generate(`>${prompt}`, { sampling });
        const characters = [...text];
        const stops = cuts
          .map(({ at, length }) => characters.slice(at, at + length).join(''))
          .filter((stop) => stop !== '');
        const stopped = await generate(`>${prompt}`, { sampling, stops });
        const expected = cutAtStop(stopped.whole, stops);
        expect(stopped.end).toBe(expected === undefined ? 'length' : 'stop');
        expect(stopped.text).toBe(expected ?? text);
      }),
      { numRuns: 150 },
    );
  });

  it('never gives out a part of a character', async () => {
    let splitAtTheEnd = 0;
    for (let maxTokens = 1; maxTokens < 80; maxTokens++) {
      const { text, whole } = await generate('Once upon a time', { sampling: SEEDED, maxTokens });
      expect(text).not.toContain('\uFFFD');
      expect(whole.replace(/\uFFFD$/, '')).toBe(text);
      if (whole !== text) splitAtTheEnd++;
    }
    expect(splitAtTheEnd).toBeGreaterThan(0);
  });

  it('speaks for a while, ends by itself, and always says something after a chat prompt', async () => {
    const engine = new SimulatedEngine({ context: 2048 });
    const runner = new PlanRunner(engine);
    const lengths: number[] = [];
    for (let number = 0; number < 100; number++) {
      const messages = [{ role: 'user' as const, content: `question ${number}` }];
      const { tokens: prompt } = await engine.renderChat({ messages, addGenerationPrompt: true });
      const slot = engine.openSlot(slotInit({ maxTokens: 1000, contextLimit: 2048 }));
      const { text, tokens, end } = await runner.generate(slot, 0, prompt);
      engine.closeSlot(slot);
      await runner.run({ cache: [{ op: 'release', sequence: 0 }] });
      expect(end).toBe('eos');
      expect(text).not.toBe('');
      lengths.push(tokens.length);
    }
    const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
    expect(mean).toBeGreaterThan(20);
    expect(mean).toBeLessThan(50);
  });

  it('refuses messages that its template cannot show', async () => {
    const engine = new SimulatedEngine();
    const refused = expect.objectContaining({ code: 'template_failed' });
    await expect(engine.renderChat({ messages: [], addGenerationPrompt: true })).rejects.toThrow(refused);
    const orphan = { role: 'tool' as const, content: 'result' };
    await expect(engine.renderChat({ messages: [orphan], addGenerationPrompt: true })).rejects.toThrow(refused);
  });

  it('breaks where a plan cannot be right', async () => {
    const engine = new SimulatedEngine();
    const slot = engine.openSlot(slotInit());
    const broken = new Promise<EngineError>((resolve) => {
      engine.onBroken = resolve;
    });
    engine.submit({
      id: 1,
      cache: [{ op: 'bind', slot, sequence: 0 }],
      entries: [{ kind: 'decode', slot, maxNew: 1 }],
    });
    expect(await broken).toMatchObject({ code: 'invalid_argument' });
    expect(() => engine.openSlot(slotInit())).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });

  it('takes the time that its steps cost, and starts again without a slot that is cancelled meanwhile', async () => {
    const engine = new SimulatedEngine({ stepCost: (tokens, picks) => tokens + 10 * picks });
    const runner = new PlanRunner(engine);
    const slot = engine.openSlot(slotInit());
    const prompt = engine.tokenize('Once upon a time');
    const running = runner.run({
      cache: [{ op: 'bind', slot, sequence: 0 }],
      entries: [{ kind: 'prefill', slot, tokens: prompt, outputs: 'last' }],
    });
    engine.cancel(slot);
    expect(await running).toMatchObject({
      entries: [{ outcome: 'cancelled' }],
      timings: { passMs: prompt.length + 10, restarts: 1 },
      usedCells: 0,
    });
  });
});
