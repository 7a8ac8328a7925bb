import type { WorkerErrorCode } from '#contract/worker.ts';

/** What a worker says of itself, and what only the one who asks it can see. */
export type FleetFailureCode =
  | WorkerErrorCode
  /** The registry has no such model. */
  | 'model_not_found'
  /** No live worker announces the model in this version. */
  | 'no_worker'
  /** Nothing was answered: the connection was refused, reset or closed. */
  | 'worker_unreachable'
  /** The connection broke, or ended early, after the answer had begun. */
  | 'worker_lost'
  /** Not even a ping came in time. */
  | 'worker_silent'
  /** The answer does not follow the worker protocol. */
  | 'worker_garbled';

export class FleetFailure extends Error {
  readonly code: FleetFailureCode;
  /** The same request may succeed on another attempt. */
  readonly retryable: boolean;

  constructor(code: FleetFailureCode, message: string, retryable: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FleetFailure';
    this.code = code;
    this.retryable = retryable;
  }
}
