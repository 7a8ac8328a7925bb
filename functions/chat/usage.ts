import type { Usage } from '#contract/openai/chat-response.ts';
import type { WorkerEvent } from '#contract/worker.ts';

export type ChoiceEnd = Extract<WorkerEvent, { type: 'end' }>;

/** The prompt counts once, whatever the number of choices. */
export function usageOf(ends: readonly ChoiceEnd[]): Usage {
  const promptTokens = ends[0]?.usage.promptTokens ?? 0;
  const completionTokens = ends.reduce((sum, end) => sum + end.usage.completionTokens, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: ends[0]?.usage.cachedTokens ?? 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}
