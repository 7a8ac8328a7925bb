import type { Clock } from './clock.ts';
import type { Request } from './request.ts';

/** setTimeout fires at once for anything longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One timer, for the earliest deadline. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #requests: ReadonlyMap<string, Request>;
  readonly #expire: (request: Request) => void;
  #armedFor = Number.POSITIVE_INFINITY;
  #disarm = () => {};

  constructor(clock: Clock, requests: ReadonlyMap<string, Request>, expire: (request: Request) => void) {
    this.#clock = clock;
    this.#requests = requests;
    this.#expire = expire;
  }

  /** Call for every new deadline; the timer of a request that has gone is left to fire. */
  watch(deadline: number): void {
    if (deadline >= this.#armedFor) return;
    this.#disarm();
    this.#armedFor = deadline;
    const wait = Math.min(Math.max(deadline - this.#clock.now(), 0), LONGEST_TIMER_MS);
    this.#disarm = this.#clock.after(wait, () => this.#check());
  }

  #check(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    const now = this.#clock.now();
    for (const request of [...this.#requests.values()]) {
      if (request.job.deadline <= now) this.#expire(request);
      else this.watch(request.job.deadline);
    }
  }
}
