/** A request that the worker does not take, or gives up before its first event. */
import type { WorkerErrorCode } from '#contract/worker.ts';

interface Meaning {
  status: number;
  /** Another worker, or this one later, may take the same request. */
  retryable: boolean;
}

const MEANINGS: Record<WorkerErrorCode, Meaning> = {
  invalid_request: { status: 400, retryable: false },
  unauthorized: { status: 401, retryable: false },
  context_length_exceeded: { status: 400, retryable: false },
  unknown_token: { status: 400, retryable: false },
  template_failed: { status: 400, retryable: false },
  wrong_version: { status: 409, retryable: true },
  unsupported: { status: 400, retryable: false },
  overloaded: { status: 429, retryable: true },
  draining: { status: 503, retryable: true },
  loading: { status: 503, retryable: true },
  deadline_exceeded: { status: 504, retryable: false },
  cancelled: { status: 499, retryable: false },
  engine_failed: { status: 503, retryable: true },
  internal: { status: 500, retryable: false },
};

export class Refusal extends Error {
  readonly code: WorkerErrorCode;
  readonly status: number;
  readonly retryable: boolean;

  /** @param options.status where HTTP has a more exact one than the code's */
  constructor(code: WorkerErrorCode, message: string, options: ErrorOptions & { status?: number } = {}) {
    super(message, options);
    this.name = 'Refusal';
    this.code = code;
    this.status = options.status ?? MEANINGS[code].status;
    this.retryable = MEANINGS[code].retryable;
  }
}
