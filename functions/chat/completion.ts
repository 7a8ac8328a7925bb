/** A response that is not streamed: the fold of what would have been streamed. */
import type { ChatCompletion } from '#contract/openai/chat-response.ts';
import type { TokenLogprob } from '#contract/worker.ts';
import { contentLogprobs } from './logprobs.ts';
import { identityOf, type Reply } from './reply.ts';
import { type ChoiceEnd, usageOf } from './usage.ts';

/** @throws FleetFailure */
export async function completionOf(reply: Reply): Promise<ChatCompletion> {
  const texts = Array.from({ length: reply.choices }, () => '');
  const logprobs = Array.from({ length: reply.choices }, (): TokenLogprob[] => []);
  const ends: ChoiceEnd[] = [];
  for await (const batch of reply.batches) {
    for (const event of batch) {
      if (event.type === 'delta') {
        texts[event.choice] += event.text;
        logprobs[event.choice]?.push(...(event.logprobs ?? []));
      }
      if (event.type === 'end') ends.push(event);
    }
  }
  const choices = ends
    .sort((one, other) => one.choice - other.choice)
    .map((end) => ({
      index: end.choice,
      message: { role: 'assistant' as const, content: texts[end.choice] ?? '', refusal: null },
      logprobs: reply.hasLogprobs ? contentLogprobs(logprobs[end.choice] ?? []) : null,
      finish_reason: end.finish,
    }));
  return { ...identityOf(reply), object: 'chat.completion', choices, usage: usageOf(ends) };
}
