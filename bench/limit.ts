/** (a) The limit: bare llama.cpp on the same model, threads and cells, in this process, while everything else idles. */
import type { NativeEngine } from '#engine/native.ts';
import { quantile } from './statistics.ts';

export interface LimitFigures {
  /** Generated tokens per second of the whole run, prefill included. */
  tokensPerSecond: number;
  /** Generated tokens per second of the decode steps alone. */
  decodeTokensPerSecond: number;
  interTokenP50: number;
  interTokenP95: number;
}

export async function runLimit(
  engine: NativeEngine,
  prompts: readonly Int32Array[],
  tokens: number,
): Promise<LimitFigures> {
  // The first token comes from the prefill.
  const { prefillMs, stepMs } = await engine.measureLimit(prompts, tokens - 1);
  const decodeMs = stepMs.reduce((sum, ms) => sum + ms, 0);
  const generated = prompts.length * tokens;
  return {
    tokensPerSecond: (generated / (prefillMs + decodeMs)) * 1000,
    decodeTokensPerSecond: ((prompts.length * (tokens - 1)) / decodeMs) * 1000,
    interTokenP50: quantile(stepMs, 0.5),
    interTokenP95: quantile(stepMs, 0.95),
  };
}
