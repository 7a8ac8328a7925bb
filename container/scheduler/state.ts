import type { EngineLimits } from '#engine/types.ts';
import { CellReservations } from './cells.ts';
import { WaitingQueue } from './queue.ts';
import type { Choice, Request } from './request.ts';
import { SequencePool } from './sequences.ts';

/** Who waits, who runs, and what they hold. */
export class State {
  /** Accepted and not done, by job id. */
  readonly requests = new Map<string, Request>();
  readonly queue = new WaitingQueue();
  /** In the order of admission. */
  readonly running = new Set<Choice>();
  readonly sequences: SequencePool;
  readonly cells: CellReservations;
  /** Choices of a request share the cells of their prompt; needs memory that can be cut at any position. */
  readonly sharesPrompts: boolean;
  /** Choices that may hold a slot at the same time. */
  readonly slots: number;
  openSlots = 0;
  /** A choice lost its cells: nobody is admitted until another one has left. */
  admissionHeld = false;

  constructor(limits: EngineLimits, { slots, sharesPrompts }: { slots: number; sharesPrompts: boolean }) {
    this.slots = slots;
    this.sharesPrompts = sharesPrompts;
    this.sequences = new SequencePool(limits.sequences);
    this.cells = new CellReservations(limits.cells, sharesPrompts);
  }
}
