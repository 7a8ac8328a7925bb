/** Weight of the newest measurement. */
const SMOOTHING = 0.2;
/**
 * A prompt advances by so many tokens a step, whatever it costs: with 16, streams that join one by one decode in small
 * batches for so long that 16 of them reach 0.79 of the hardware's limit; with 32 it is 0.89.
 */
const SMALLEST_CHUNK = 32;
/** Until a chunk was measured. */
const UNMEASURED_CHUNK = 64;

export interface StepCost {
  prefillTokens: number;
  /** Streams that decoded in the same pass. */
  streams: number;
  passMs: number;
}

/** How much prompt a step may take, so that streams which wait for their next token wait no longer than the target. */
export class PrefillBudget {
  readonly #targetMs: number;
  readonly #stepTokens: number;
  #decodeMs: number | undefined;
  #msPerToken: number | undefined;

  constructor(targetMs: number, stepTokens: number) {
    this.#targetMs = targetMs;
    this.#stepTokens = stepTokens;
  }

  /** Prompt tokens for a step in which `streams` streams decode. */
  tokensBeside(streams: number): number {
    const room = this.#stepTokens - streams;
    if (streams === 0) return room;
    if (this.#msPerToken === undefined) return Math.min(UNMEASURED_CHUNK, room);
    const affordable = Math.floor((this.#targetMs - (this.#decodeMs ?? 0)) / this.#msPerToken);
    return Math.min(Math.max(affordable, SMALLEST_CHUNK), room);
  }

  learn({ prefillTokens, streams, passMs }: StepCost): void {
    if (prefillTokens === 0 && streams > 0) this.#decodeMs = smooth(this.#decodeMs, passMs);
    if (prefillTokens < SMALLEST_CHUNK) return;
    const decodeMs = streams > 0 ? (this.#decodeMs ?? 0) : 0;
    this.#msPerToken = smooth(this.#msPerToken, Math.max(passMs - decodeMs, 0) / prefillTokens);
  }
}

function smooth(average: number | undefined, sample: number): number {
  return average === undefined ? sample : average + SMOOTHING * (sample - average);
}
