/** How choices come to run, and how they stop. */
import type { Engine } from '#engine/types.ts';
import type { Choice, Request } from './request.ts';
import type { State } from './state.ts';

/** Lets choices run while there are slots, sequences and cells for the next one. Returns how many were let in. */
export function admitWaiting(state: State, engine: Engine): number {
  let admitted = 0;
  for (let request = state.queue.next; request !== undefined && canAdmit(state, request); request = state.queue.next) {
    admit(state, engine, request);
    admitted++;
  }
  return admitted;
}

function canAdmit(state: State, request: Request): boolean {
  if (state.admissionHeld && state.running.size > 0) return false;
  const hasSlot = request.waiting[0]!.slot !== undefined || state.openSlots < state.slots;
  return hasSlot && state.sequences.free > 0 && state.cells.fits(request);
}

function admit(state: State, engine: Engine, request: Request): void {
  const choice = request.waiting[0]!;
  if (choice.slot === undefined) {
    const { sampling, stops, topLogprobs } = request.job;
    const { maxTokens } = request;
    const contextLimit = request.job.prompt.length + maxTokens;
    const init = { sampling, stops, choice: choice.index, maxTokens, contextLimit };
    choice.slot = engine.openSlot(topLogprobs === null ? init : { ...init, topLogprobs });
    state.openSlots++;
  }
  request.waiting.shift();
  if (request.waiting.length === 0) state.queue.remove(request);
  choice.sequence = state.sequences.take();
  state.cells.reserve(choice);
  request.running.add(choice);
  state.running.add(choice);
}

/** Frees what a choice holds, for good. */
export function retire(state: State, engine: Engine, choice: Choice): void {
  if (choice.isRunning) {
    freeCells(state, choice);
    state.admissionHeld = false;
  }
  if (choice.slot === undefined) return;
  engine.closeSlot(choice.slot);
  choice.slot = undefined;
  state.openSlots--;
}

/**
 * Takes the cells of the choice that would have been served last and puts its request before all others. Returns false
 * when that would leave nobody running.
 */
export function preemptYoungest(state: State): boolean {
  if (state.running.size < 2) return false;
  const youngest = [...state.running].reduce((last, choice) =>
    choice.request.rank >= last.request.rank ? choice : last,
  );
  freeCells(state, youngest);
  youngest.rewind();
  youngest.request.waiting.unshift(youngest);
  state.queue.giveBack(youngest.request);
  state.admissionHeld = true;
  return true;
}

function freeCells(state: State, choice: Choice): void {
  state.running.delete(choice);
  choice.request.running.delete(choice);
  state.sequences.giveBack(choice.sequence!);
  choice.sequence = undefined;
  state.cells.giveBack(choice);
}
