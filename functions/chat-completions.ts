/** `POST /v1/chat/completions`. */
import { parseChatRequest } from '#contract/openai/chat-request.ts';
import { generate } from '#fleet/generate.ts';
import { completionOf } from './chat/completion.ts';
import { draftOf } from './chat/draft.ts';
import { chatFrames } from './chat/frames.ts';
import { openReply } from './chat/reply.ts';
import { toApiError } from './http/api-error.ts';
import { jsonResponse } from './http/api-event.ts';
import { authentication } from './http/authentication.ts';
import { endpoint } from './http/endpoint.ts';
import { jsonBody } from './http/json-body.ts';
import { type Services, services } from './http/services.ts';
import { SSE_HEADERS, sseBody } from './http/sse.ts';

export const createHandler = (services: () => Services) =>
  endpoint(services, [authentication(services), jsonBody()], async (event, context) => {
    const { fleet, ignoredParameters, heartbeatMs } = services();
    const { record } = event;
    const { request, ignored } = parseChatRequest(event.json, ignoredParameters);

    const leaving = new AbortController();
    context.clientGone?.addEventListener('abort', () => leaving.abort());
    const draft = draftOf(request, event, context);
    const reply = await openReply(draft, generate(fleet, draft, leaving.signal), record);
    const headers: Record<string, string> = { 'x-sluice-version': reply.version };
    if (ignored.length > 0) headers['x-sluice-ignored'] = ignored.join(', ');

    if (!request.stream) return jsonResponse(await completionOf(reply), headers);
    const body = sseBody(chatFrames(reply, request.includeUsage), {
      heartbeatMs,
      toErrorData: (error) => {
        record.failure = toApiError(error);
        return record.failure.body;
      },
      onAbandoned: () => {
        record.isAbandoned = true;
        leaving.abort();
      },
    });
    return { statusCode: 200, headers: { ...SSE_HEADERS, ...headers }, body };
  });

export const handler = createHandler(services);
