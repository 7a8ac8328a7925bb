/** Drives an engine plan by plan, as tests of engines need it. */
import type { Engine, EngineError, Plan, PlanResult, Sampling, SlotInit, SlotRef } from '#engine/types.ts';

export class PlanRunner {
  readonly #engine: Engine;
  readonly #waiting = new Map<
    number,
    { resolve: (result: PlanResult) => void; reject: (error: EngineError) => void }
  >();
  #lastPlan = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.onResult = (result) => {
      this.#waiting.get(result.plan)?.resolve(result);
      this.#waiting.delete(result.plan);
    };
    engine.onBroken = (error) => {
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
  }

  /** Submits a plan and waits for its result. */
  run(plan: Partial<Omit<Plan, 'id'>>): Promise<PlanResult> {
    const id = ++this.#lastPlan;
    const result = new Promise<PlanResult>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#engine.submit({ id, cache: plan.cache ?? [], entries: plan.entries ?? [] });
    return result;
  }

  /** Prefills `prompt` in chunks, decodes to the end, and returns what was generated. The sequence keeps its cells. */
  async generate(slot: SlotRef, sequence: number, prompt: Int32Array, chunk = prompt.length) {
    await this.run({ cache: [{ op: 'bind', slot, sequence }] });
    const tokens: number[] = [];
    let text = '';
    for (let start = 0; start < prompt.length; start += chunk) {
      const part = prompt.subarray(start, start + chunk);
      const outputs = start + chunk >= prompt.length ? 'last' : 'none';
      const { entries } = await this.run({ entries: [{ kind: 'prefill', slot, tokens: part, outputs }] });
      tokens.push(...entries[0]!.tokens);
      text += entries[0]!.text;
      if (entries[0]!.end) return { tokens, text, end: entries[0]!.end };
    }
    for (;;) {
      const { entries } = await this.run({ entries: [{ kind: 'decode', slot, maxNew: 1 }] });
      const entry = entries[0]!;
      tokens.push(...entry.tokens);
      text += entry.text;
      if (entry.end || entry.outcome !== 'ran') return { tokens, text, end: entry.end };
    }
  }
}

export const GREEDY: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  seed: 0,
  ignoreEos: false,
  logitBias: [],
};

export function slotInit(init: Partial<SlotInit> = {}): SlotInit {
  return { sampling: GREEDY, choice: 0, stops: [], maxTokens: 32, contextLimit: 512, ...init };
}
