import { ApiError } from './api-error.ts';
import { header } from './api-event.ts';
import type { Middleware } from './endpoint.ts';
import type { Services } from './services.ts';

const BEARER = /^Bearer +(\S+) *$/i;

/** Lets a request through that carries `authorization: Bearer <a known key>`. */
export function authentication(services: () => Services): Middleware {
  return {
    before: ({ event }) => {
      const key = BEARER.exec(header(event, 'authorization') ?? '')?.[1];
      if (key === undefined) {
        throw refusal("You didn't provide an API key. Send it in the header 'Authorization: Bearer YOUR_KEY'.");
      }
      if (!services().apiKeys.has(key)) throw refusal('Incorrect API key provided.');
    },
  };
}

function refusal(message: string): ApiError {
  return new ApiError(message, {
    status: 401,
    type: 'invalid_request_error',
    code: 'invalid_api_key',
    headers: { 'www-authenticate': 'Bearer' },
  });
}
