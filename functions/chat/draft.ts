/** A chat request as a worker takes it. */
import { randomInt, randomUUID } from 'node:crypto';
import type { ChatRequest } from '#contract/openai/chat-request.ts';
import type { GenerateDraft } from '#fleet/generate.ts';
import { type ApiContext, type ApiEvent, header } from '../http/api-event.ts';

/** Every key is of this tenant, until keys name theirs. */
const TENANT = 'default';
const PRIORITY = 5;
/** Kept of the function's time to tell the client that it is over. */
const CLOSING_MS = 2_000;
/** As far as `randomInt` goes. */
const SEEDS = 2 ** 48 - 1;
const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/;

export function draftOf(request: ChatRequest, event: ApiEvent, context: ApiContext): GenerateDraft {
  const traceparent = header(event, 'traceparent') ?? '';
  return {
    // Not the request id: clients choose that one, and may choose it twice.
    id: `chatcmpl-${randomUUID()}`,
    kind: 'generate',
    model: request.model,
    adapter: null,
    tenant: TENANT,
    cacheSalt: TENANT,
    prefixKeys: [],
    priority: PRIORITY,
    deadline: Date.now() + context.getRemainingTimeInMillis() - CLOSING_MS,
    traceparent: TRACEPARENT.test(traceparent) ? traceparent : null,
    detached: false,
    input: { type: 'chat', messages: request.messages },
    choices: request.choices,
    sampling: { ...request.sampling, seed: request.sampling.seed ?? randomInt(SEEDS) },
    maxTokens: request.maxTokens,
    stops: request.stops,
    topLogprobs: request.topLogprobs,
  };
}
