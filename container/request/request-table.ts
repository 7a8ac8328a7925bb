/** Requests by id: those that run, and for a while those that ended, so that a reader can attach again. */
import { Refusal } from '../refusal.ts';
import type { RunningRequest } from './running-request.ts';

const MAX_KEPT = 64;
const KEPT_MS = 30_000;

interface Ended {
  request: RunningRequest;
  at: number;
}

export class RequestTable {
  readonly #requests = new Map<string, RunningRequest>();
  /** Oldest first. */
  #ended: Ended[] = [];

  /**
   * A further attempt at a request takes the place of the earlier one, which is cancelled.
   *
   * @throws Refusal `invalid_request` where this attempt, or a later one, is known already
   */
  add(request: RunningRequest): void {
    const known = this.#requests.get(request.id);
    if (known !== undefined && known.attempt >= request.attempt) {
      throw new Refusal('invalid_request', `Request ${request.id} is known already.`, { status: 409 });
    }
    if (known !== undefined && !known.hasEnded) known.cancel();
    this.#requests.set(request.id, request);
  }

  /** @throws Refusal `invalid_request` where there is none */
  get(id: string): RunningRequest {
    this.#forgetOld();
    const request = this.#requests.get(id);
    if (request === undefined) throw new Refusal('invalid_request', `There is no request ${id}.`, { status: 404 });
    return request;
  }

  /** Keeps a request that ended for readers that attach again; forgets one that was refused. */
  retire(request: RunningRequest): void {
    if (!request.hasBegun) {
      this.#forget(request);
      return;
    }
    this.#ended.push({ request, at: performance.now() });
    this.#forgetOld();
  }

  cancelAll(): void {
    for (const request of this.#requests.values()) {
      if (!request.hasEnded) request.cancel();
    }
  }

  #forgetOld(): void {
    const oldest = performance.now() - KEPT_MS;
    const kept = this.#ended.slice(-MAX_KEPT).filter(({ at }) => at > oldest);
    for (const { request } of this.#ended.slice(0, this.#ended.length - kept.length)) this.#forget(request);
    this.#ended = kept;
  }

  /** Unless a later attempt has taken its place. */
  #forget(request: RunningRequest): void {
    if (this.#requests.get(request.id) === request) this.#requests.delete(request.id);
  }
}
