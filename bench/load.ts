/** One measurement: so many streams at once against a target. */
import type { Sampling, Target } from './client.ts';
import { quantile } from './statistics.ts';

export interface LoadFigures {
  /** Generated tokens per second from the first request to the last byte. */
  tokensPerSecond: number;
  firstTokenP50: number;
  firstTokenP95: number;
  interTokenP50: number;
  interTokenP95: number;
}

export async function runLoad(
  target: Target,
  prompts: readonly string[],
  tokens: number,
  sampling: Sampling,
): Promise<LoadFigures> {
  const start = performance.now();
  const streams = await Promise.all(prompts.map((prompt) => target.stream({ prompt, tokens, sampling })));
  const seconds = (performance.now() - start) / 1000;
  const generated = streams.reduce((sum, stream) => sum + stream.tokens, 0);
  if (generated !== prompts.length * tokens) {
    throw new Error(`${target.name} generated ${generated} tokens instead of ${prompts.length * tokens}`);
  }
  const firstTokens = streams.map((stream) => stream.firstToken);
  const gaps = streams.flatMap((stream) => stream.gaps);
  return {
    tokensPerSecond: generated / seconds,
    firstTokenP50: quantile(firstTokens, 0.5),
    firstTokenP95: quantile(firstTokens, 0.95),
    interTokenP50: quantile(gaps, 0.5),
    interTokenP95: quantile(gaps, 0.95),
  };
}
