/** Log-probabilities of the engine as the worker protocol tells them. */
import type { TokenLogprob } from '#contract/worker.ts';
import type { Candidate, TokenLogprob as EngineLogprob } from '#engine/types.ts';

/** What OpenAI says for a token that all but cannot come; JSON has no infinity. */
const LEAST_LOGPROB = -9999;

export function toTokenLogprobs(logprobs: readonly EngineLogprob[]): TokenLogprob[] {
  return logprobs.map((token) => ({ ...describe(token), top: token.top.map(describe) }));
}

function describe({ bytes, logprob }: Candidate): Omit<TokenLogprob, 'top'> {
  return { text: Buffer.from(bytes).toString('utf8'), bytes: [...bytes], logprob: Math.max(logprob, LEAST_LOGPROB) };
}
