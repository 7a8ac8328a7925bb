/** The Middy stack that every endpoint has. */
import middy, { type MiddlewareObj, type MiddyfiedHandler, type Request } from '@middy/core';
import { executionModeStreamifyResponse } from '@middy/core/StreamifyResponse';
import { toApiError } from './api-error.ts';
import { type ApiContext, type ApiEvent, type ApiResponse, header } from './api-event.ts';
import { requestIdFor } from './request-id.ts';
import { logRequest } from './request-log.ts';
import type { Services } from './services.ts';

export type Middleware = MiddlewareObj<ApiEvent, ApiResponse, Error, ApiContext>;
export type Handler = MiddyfiedHandler<ApiEvent, ApiResponse, Error, ApiContext>;

/** The version of OpenAI's API whose shapes these are, as OpenAI itself names it. */
const OPENAI_VERSION = '2020-10-01';

/** @param middlewares run in this order, after a request id and a record have been given */
export function endpoint(
  services: () => Services,
  middlewares: readonly Middleware[],
  run: (event: ApiEvent, context: ApiContext) => Promise<ApiResponse>,
): Handler {
  return middy<ApiEvent, ApiResponse, Error, ApiContext>(run, {
    executionMode: executionModeStreamifyResponse,
    // It would cover the time to the first byte only; the deadline that workers get covers all of it.
    timeoutEarlyInMillis: 0,
    // Runs when the body has been sent, or could not be.
    requestEnd: (request) => logRequest(services().log, request.event as ApiEvent),
  })
    .use(requestRecord())
    .use(errorEnvelope())
    .use([...middlewares]);
}

/** Gives the request its id and its record, and every response the headers that tell of them. */
function requestRecord(): Middleware {
  const tell = ({ event, response }: Request<ApiEvent, ApiResponse, Error, ApiContext>) => {
    if (!response) return;
    const milliseconds = Math.round(performance.now() - event.record.startedAt);
    response.headers['x-request-id'] = event.requestId;
    response.headers['openai-processing-ms'] = String(milliseconds);
    response.headers['openai-version'] = OPENAI_VERSION;
    event.record.status = response.statusCode;
  };
  return {
    before: ({ event }) => {
      event.requestId = requestIdFor(header(event, 'x-request-id'));
      event.record = { requestId: event.requestId, route: event.resource, startedAt: performance.now() };
    },
    after: tell,
    onError: tell,
  };
}

function errorEnvelope(): Middleware {
  return {
    onError: (request) => {
      const error = toApiError(request.error);
      request.event.record.failure = error;
      request.response = {
        statusCode: error.status,
        headers: { 'content-type': 'application/json', ...error.headers },
        body: JSON.stringify(error.body),
      };
    },
  };
}
