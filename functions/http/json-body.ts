import { parseJsonBody } from '#contract/openai/json.ts';
import { MAX_BODY_BYTES } from '#contract/openai/limits.ts';
import { ApiError } from './api-error.ts';
import type { ApiEvent } from './api-event.ts';
import type { Middleware } from './endpoint.ts';

/** Reads the body as JSON, whatever its content type says. */
export function jsonBody(): Middleware {
  return {
    before: ({ event }) => {
      event.json = parseJsonBody(bodyText(event));
    },
  };
}

function bodyText(event: ApiEvent): string {
  const body = event.body ?? '';
  const bytes = event.isBase64Encoded ? Buffer.from(body, 'base64') : body;
  const size = Buffer.byteLength(bytes);
  if (size > MAX_BODY_BYTES) {
    throw new ApiError(`The body of the request has ${size} bytes, more than the ${MAX_BODY_BYTES} allowed.`, {
      status: 413,
      type: 'invalid_request_error',
      code: 'request_too_large',
    });
  }
  return bytes.toString();
}
