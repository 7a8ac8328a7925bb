/** Every error that a client can get: its status, and OpenAI's type and code for it. */
import type { ErrorBody } from '#contract/openai/error.ts';
import { InvalidRequest } from '#contract/openai/problems.ts';
import { FleetFailure, type FleetFailureCode } from '#fleet/failure.ts';

type ErrorType = 'invalid_request_error' | 'requests' | 'server_error';

interface Answer {
  status: number;
  type: ErrorType;
  code: string;
  param?: string | null;
  headers?: Record<string, string>;
}

/** Statuses after which the same request may succeed; OpenAI's clients would retry every 5xx. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503]);

export class ApiError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ErrorBody;

  constructor(message: string, answer: Answer, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ApiError';
    this.status = answer.status;
    this.headers = { 'x-should-retry': String(RETRYABLE.has(answer.status)), ...answer.headers };
    this.body = { error: { message, type: answer.type, param: answer.param ?? null, code: answer.code } };
  }

  get code(): string | null {
    return this.body.error.code;
  }
}

/** What is thrown anywhere in a function, as the client gets it. Nothing internal is told. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof InvalidRequest) {
    const { code, param } = error;
    return new ApiError(error.message, { status: 400, type: 'invalid_request_error', code, param });
  }
  if (error instanceof FleetFailure) return fleetError(error);
  const message = 'The server had an error while processing your request.';
  return new ApiError(message, { status: 500, type: 'server_error', code: 'internal_error' }, { cause: error });
}

const RETRY_AFTER_SECONDS = 1;

const badRequest = (code: string, param: string): Answer => ({
  status: 400,
  type: 'invalid_request_error',
  code,
  param,
});
const unavailable = (code: string): Answer => ({
  status: 503,
  type: 'server_error',
  code,
  headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
});
const broken = (code: string): Answer => ({ status: 500, type: 'server_error', code });

const FLEET_ANSWERS: Record<FleetFailureCode, Answer> = {
  context_length_exceeded: badRequest('context_length_exceeded', 'messages'),
  unknown_token: badRequest('invalid_value', 'logit_bias'),
  template_failed: badRequest('invalid_messages', 'messages'),
  unsupported: badRequest('unsupported_model', 'model'),
  model_not_found: { status: 404, type: 'invalid_request_error', code: 'model_not_found', param: 'model' },
  overloaded: { ...unavailable('rate_limit_exceeded'), status: 429, type: 'requests' },
  loading: unavailable('model_loading'),
  draining: unavailable('model_unavailable'),
  wrong_version: unavailable('model_unavailable'),
  no_worker: unavailable('model_unavailable'),
  worker_unreachable: unavailable('model_unavailable'),
  worker_silent: unavailable('model_unavailable'),
  worker_lost: unavailable('model_unavailable'),
  engine_failed: unavailable('engine_failed'),
  deadline_exceeded: { status: 504, type: 'server_error', code: 'timeout' },
  // 499: nobody is there to read it, but the log shows it.
  cancelled: { status: 499, type: 'invalid_request_error', code: 'cancelled' },
  invalid_request: broken('internal_error'),
  unauthorized: broken('internal_error'),
  worker_garbled: broken('internal_error'),
  internal: broken('internal_error'),
};

function fleetError(failure: FleetFailure): ApiError {
  const answer = FLEET_ANSWERS[failure.code];
  const isOurs = answer.status === 500;
  const message = isOurs ? 'The server had an error while processing your request.' : failure.message;
  return new ApiError(message, answer, { cause: failure });
}
