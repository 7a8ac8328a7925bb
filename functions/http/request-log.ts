/** The one line that a request leaves in the log. Never a prompt, never a key. */
import type { Logger } from 'pino';
import type { Timings } from '#contract/worker.ts';
import type { ApiError } from './api-error.ts';

export interface RequestRecord {
  requestId: string;
  /** The path as the routes have it, without parameters' values. */
  route: string;
  /** On the clock of `performance.now()`. */
  startedAt: number;
  status?: number;
  /** Why the request failed, also where that was after the first byte. */
  failure?: ApiError;
  /** The client left before the end of a stream. */
  isAbandoned?: boolean;
  /** The completion's id. */
  id?: string;
  model?: string;
  version?: string;
  promptTokens?: number;
  cachedTokens?: number;
  completionTokens?: number;
  timings?: Timings;
}

export function logRequest(log: Logger, { record }: { record: RequestRecord }): void {
  const { startedAt, failure, timings, ...told } = record;
  const line = {
    ...told,
    ...timings,
    durationMs: Math.round(performance.now() - startedAt),
    ...(failure === undefined ? {} : { error: failure.code, reason: reasonOf(failure) }),
  };
  if (failure !== undefined && failure.status >= 500) log.error(line, 'request failed');
  else log.info(line, 'request');
}

/** Where an error comes from, for the operator: code and stack, but no message, which may quote a user's text. */
function reasonOf(failure: ApiError): unknown {
  const { cause } = failure;
  if (!(cause instanceof Error)) return undefined;
  const code = 'code' in cause ? cause.code : undefined;
  const stack = cause.stack?.split('\n').filter((line) => line.startsWith('    at '));
  return failure.status === 500 ? { name: cause.name, code, stack } : code;
}
