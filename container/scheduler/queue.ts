import type { Request } from './request.ts';

const PRIORITIES = 10;

/**
 * Requests with choices that wait. First in, first out within a priority; between priorities the least rank is next,
 * which ages: a request is overtaken only by those that arrive soon enough after it. Requests that lost their cells
 * come before all others.
 */
export class WaitingQueue {
  readonly #levels = Array.from({ length: PRIORITIES }, () => new Set<Request>());
  #returned: Request[] = [];
  #size = 0;

  get size(): number {
    return this.#size + this.#returned.length;
  }

  get next(): Request | undefined {
    if (this.#returned.length > 0) return this.#returned[0];
    let first: Request | undefined;
    for (const level of this.#levels) {
      if (level.size === 0) continue;
      const head: Request = level.values().next().value!;
      if (first === undefined || head.rank < first.rank) first = head;
    }
    return first;
  }

  add(request: Request): void {
    this.#levels[request.job.priority]!.add(request);
    this.#size++;
  }

  /** Puts a request before all others. */
  giveBack(request: Request): void {
    this.remove(request);
    this.#returned.unshift(request);
  }

  remove(request: Request): void {
    if (this.#levels[request.job.priority]!.delete(request)) this.#size--;
    else this.#returned = this.#returned.filter((other) => other !== request);
  }
}
