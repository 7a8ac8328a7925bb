import type { Logprobs } from '#contract/openai/chat-response.ts';
import type { TokenLogprob } from '#contract/worker.ts';

/** A worker's log-probabilities in OpenAI's words. */
export function contentLogprobs(tokens: readonly TokenLogprob[]): Logprobs {
  const content = tokens.map(({ top, ...picked }) => ({ ...toCandidate(picked), top_logprobs: top.map(toCandidate) }));
  return { content, refusal: null };
}

function toCandidate({ text, bytes, logprob }: Omit<TokenLogprob, 'top'>) {
  return { token: text, logprob, bytes };
}
