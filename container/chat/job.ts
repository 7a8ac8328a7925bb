import type { GenerateRequest } from '#contract/worker.ts';
import type { Engine } from '#engine/types.ts';
import { Refusal } from '../refusal.ts';
import type { Job } from '../scheduler/types.ts';
import { renderPrompt } from './prompt.ts';

/**
 * Turns a request into what the scheduler runs.
 *
 * @throws Refusal `context_length_exceeded`, `unknown_token`, `template_failed` or `invalid_request`
 */
export async function prepareJob(engine: Engine, request: GenerateRequest): Promise<Job> {
  const prompt = await renderPrompt(engine, request.input);
  requireRoom(prompt.tokens.length, engine.limits.context);
  requireKnownTokens(request.sampling.logitBias, engine.model.vocabularySize);
  return {
    id: `${request.id}/${request.attempt}`,
    prompt: prompt.tokens,
    choices: request.choices,
    sampling: request.sampling,
    maxTokens: request.maxTokens,
    stops: [...new Set([...request.stops, ...prompt.stops])],
    topLogprobs: request.topLogprobs,
    priority: request.priority,
    deadline: request.deadline,
  };
}

function requireKnownTokens(biases: GenerateRequest['sampling']['logitBias'], vocabularySize: number): void {
  const unknown = biases.find(([token]) => token >= vocabularySize);
  if (unknown === undefined) return;
  throw new Refusal('unknown_token', `Invalid 'logit_bias': the model has no token ${unknown[0]}.`);
}

/** At least one token must fit behind the prompt. */
function requireRoom(promptTokens: number, context: number): void {
  if (promptTokens < context) return;
  throw new Refusal(
    'context_length_exceeded',
    `This model's maximum context length is ${context} tokens. However, your messages resulted in ${promptTokens} ` +
      'tokens. Please reduce the length of the messages.',
  );
}
