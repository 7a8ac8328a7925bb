import { EngineError, type SlotInit, type SlotRef } from '../types.ts';
import { KeptLogprobs } from './logprobs.ts';
import { OutputText } from './text.ts';

/** Generation state. Its history is what its sequence's cells hold, and the pending token behind them. */
export interface Slot {
  readonly ref: SlotRef;
  readonly init: SlotInit;
  readonly output: OutputText;
  readonly logprobs: KeptLogprobs | undefined;
  sequence: number | undefined;
  /** Picked, but not fed yet. */
  pending: number | undefined;
  generated: number;
  ended: boolean;
  cancelled: boolean;
}

export class SlotTable {
  readonly #open: (Slot | undefined)[];
  #lastGeneration = 0;

  constructor(size: number) {
    this.#open = new Array(size).fill(undefined);
  }

  open(init: SlotInit): SlotRef {
    const index = this.#open.indexOf(undefined);
    if (index < 0) throw new EngineError('no_slot', `all ${this.#open.length} slots are open`);
    const ref = { slot: index, generation: ++this.#lastGeneration };
    this.#open[index] = {
      ref,
      init,
      output: new OutputText(init.stops),
      logprobs: init.topLogprobs === undefined ? undefined : new KeptLogprobs(),
      sequence: undefined,
      pending: undefined,
      generated: 0,
      ended: false,
      cancelled: false,
    };
    return ref;
  }

  close(ref: SlotRef): void {
    if (this.find(ref) !== undefined) this.#open[ref.slot] = undefined;
  }

  /** The slot, unless its generation has gone. */
  find(ref: SlotRef): Slot | undefined {
    const slot = this.#open[ref.slot];
    return slot?.ref.generation === ref.generation ? slot : undefined;
  }

  boundTo(sequence: number): Slot | undefined {
    return this.#open.find((slot) => slot?.sequence === sequence);
  }
}
