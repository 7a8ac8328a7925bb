import type { Choice, Request } from './request.ts';

/**
 * Reserves the most cells that a running choice can need, so that a plan finds no room only where the engine has fewer
 * than it said. A prompt that choices share is reserved once.
 */
export class CellReservations {
  readonly capacity: number;
  readonly #sharesPrompts: boolean;
  #reserved = 0;

  constructor(capacity: number, sharesPrompts: boolean) {
    this.capacity = capacity;
    this.#sharesPrompts = sharesPrompts;
  }

  get reserved(): number {
    return this.#reserved;
  }

  fits(request: Request): boolean {
    return this.#reserved + this.#promptCells(request) + request.maxTokens <= this.capacity;
  }

  /** Call before the choice is among its request's running ones. */
  reserve(choice: Choice): void {
    const { request } = choice;
    const prompt = this.#promptCells(request);
    if (this.#sharesPrompts) request.reservedPrompt += prompt;
    choice.reservedCells = request.maxTokens + (this.#sharesPrompts ? 0 : prompt);
    this.#reserved += prompt + request.maxTokens;
  }

  /** Call once the choice is no longer among its request's running ones. */
  giveBack(choice: Choice): void {
    const { request } = choice;
    this.#reserved -= choice.reservedCells;
    choice.reservedCells = 0;
    if (request.running.size > 0) return;
    this.#reserved -= request.reservedPrompt;
    request.reservedPrompt = 0;
  }

  #promptCells(request: Request): number {
    const alreadyReserved = this.#sharesPrompts && request.running.size > 0;
    return alreadyReserved ? 0 : request.job.prompt.length;
  }
}
