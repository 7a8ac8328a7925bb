import { describe, expect, it } from 'vitest';
import { PrefillBudget } from '#container/scheduler/budget.ts';

describe('the prefill budget', () => {
  it('is all of the step when nobody waits for tokens', () => {
    expect(new PrefillBudget(50, 512).tokensBeside(0)).toBe(512);
  });

  it('is small until a chunk was measured', () => {
    expect(new PrefillBudget(50, 512).tokensBeside(4)).toBe(64);
    expect(new PrefillBudget(50, 40).tokensBeside(4)).toBe(36);
  });

  it('is what the target leaves after the streams', () => {
    const budget = new PrefillBudget(50, 512);
    budget.learn({ prefillTokens: 0, streams: 8, passMs: 20 });
    budget.learn({ prefillTokens: 100, streams: 8, passMs: 45 });
    expect(budget.tokensBeside(8)).toBe(120);
  });

  it('follows the measurements slowly', () => {
    const budget = new PrefillBudget(500, 100_000);
    budget.learn({ prefillTokens: 100, streams: 0, passMs: 100 });
    expect(budget.tokensBeside(1)).toBe(500);
    budget.learn({ prefillTokens: 100, streams: 0, passMs: 10 });
    expect(budget.tokensBeside(1)).toBeGreaterThan(500);
    expect(budget.tokensBeside(1)).toBeLessThan(1000);
    for (let step = 0; step < 40; step++) budget.learn({ prefillTokens: 100, streams: 0, passMs: 10 });
    expect(budget.tokensBeside(1)).toBeGreaterThan(4800);
  });

  it('never stops a prompt, and is the whole step where tokens cost nothing', () => {
    const slow = new PrefillBudget(50, 512);
    slow.learn({ prefillTokens: 100, streams: 0, passMs: 10_000 });
    expect(slow.tokensBeside(1)).toBeGreaterThan(0);
    expect(slow.tokensBeside(1)).toBeLessThan(100);
    const free = new PrefillBudget(50, 512);
    free.learn({ prefillTokens: 100, streams: 0, passMs: 0 });
    expect(free.tokensBeside(2)).toBe(510);
  });
});
