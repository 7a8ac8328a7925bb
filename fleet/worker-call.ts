/** One request to one worker, over a connection of its own for as long as it lasts. */
import { once } from 'node:events';
import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { GenerateRequest } from '#contract/worker.ts';
import { EventReader, type Spoken } from './event-reader.ts';
import { FleetFailure } from './failure.ts';

export interface WorkerCall {
  /** Base URL of the worker. */
  url: string;
  token: string;
  request: GenerateRequest;
  /** A worker that says nothing for so long, in milliseconds, is given up. */
  silenceMs: number;
  /** Closes the connection, which cancels the request. */
  signal: AbortSignal;
}

const connections = new Agent({ keepAlive: true });

/**
 * Yields the events as they arrive, those of one read together. Returns after the last choice's `end`.
 *
 * @throws FleetFailure for everything else, also for an `error` event; `cancelled` once `signal` is aborted
 */
export async function* callWorker(call: WorkerCall): AsyncGenerator<readonly Spoken[], void, void> {
  const conversation = new Conversation(call);
  try {
    const response = await conversation.response();
    const reader = new EventReader(call.request.choices);
    for await (const text of response) {
      const { spoken, failure } = reader.read(text);
      if (spoken.length > 0) yield spoken;
      if (failure !== undefined) throw failure;
    }
    if (!reader.isComplete) throw new FleetFailure('worker_lost', 'The worker ended its answer early.', false);
  } catch (error) {
    throw conversation.explain(error);
  } finally {
    conversation.close();
  }
}

/** The HTTP exchange under a call, and the reason for which it was cut. */
class Conversation {
  readonly #call: WorkerCall;
  readonly #request: ClientRequest;
  #response: IncomingMessage | undefined;
  #cutFor: FleetFailure | undefined;
  readonly #onAbort = () => this.#cut(new FleetFailure('cancelled', 'The client has left.', false));

  constructor(call: WorkerCall) {
    this.#call = call;
    const body = JSON.stringify(call.request);
    this.#request = httpRequest(new URL('/generate', call.url), {
      agent: connections,
      method: 'POST',
      headers: {
        authorization: `Bearer ${call.token}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      },
    });
    // `response()` hears of errors before the answer begins, the response's reader of those after.
    this.#request.on('error', () => undefined);
    this.#request.setTimeout(call.silenceMs, () => {
      const hasAnswered = this.#response !== undefined;
      this.#cut(new FleetFailure('worker_silent', 'The worker does not answer.', !hasAnswered));
    });
    call.signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#request.end(body);
    if (call.signal.aborted) this.#onAbort();
  }

  async response(): Promise<IncomingMessage> {
    const [response] = (await once(this.#request, 'response')) as [IncomingMessage];
    response.setEncoding('utf8');
    this.#response = response;
    return response;
  }

  explain(error: unknown): unknown {
    if (this.#cutFor !== undefined) return this.#cutFor;
    if (error instanceof FleetFailure) return error;
    return this.#response === undefined
      ? new FleetFailure('worker_unreachable', 'The worker cannot be reached.', true, { cause: error })
      : new FleetFailure('worker_lost', 'The connection to the worker broke.', false, { cause: error });
  }

  /** A finished exchange leaves its connection to the next one; any other is torn down. */
  close(): void {
    this.#call.signal.removeEventListener('abort', this.#onAbort);
    if (!this.#response?.complete) this.#request.destroy();
  }

  #cut(reason: FleetFailure): void {
    this.#cutFor = reason;
    (this.#response ?? this.#request).destroy(reason);
  }
}
