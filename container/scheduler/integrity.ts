import type { State } from './state.ts';

/** Slots, cells or sequences do not add up: a defect in the scheduler or the engine. */
export class IntegrityError extends Error {
  constructor(problems: readonly string[]) {
    super(`the scheduler lost count: ${problems.join('; ')}`);
    this.name = 'IntegrityError';
  }
}

/** Throws IntegrityError. */
export function checkState(state: State): void {
  const requests = [...state.requests.values()];
  const choices = requests.flatMap((request) => [...request.running]);
  const waitingWithSlot = requests.flatMap((request) => request.waiting).filter((choice) => choice.slot !== undefined);
  const prompts = requests.reduce((sum, request) => sum + request.reservedPrompt, 0);
  throwUnlessEqual([
    ['running choices', state.running.size, choices.length],
    ['open slots', state.openSlots, choices.length + waitingWithSlot.length],
    ['taken sequences', state.sequences.total - state.sequences.free, choices.length],
    ['reserved cells', state.cells.reserved, choices.reduce((sum, choice) => sum + choice.reservedCells, prompts)],
    ['queued requests', state.queue.size, requests.filter((request) => request.waiting.length > 0).length],
  ]);
}

/** Throws IntegrityError where something is held although nobody runs; `usedCells` as the engine counted them last. */
export function checkIdle(state: State, usedCells: number): void {
  checkState(state);
  throwUnlessEqual([
    ['open slots when idle', state.openSlots, 0],
    ['sequences to release when idle', state.sequences.unreleased.size, 0],
    ['reserved cells when idle', state.cells.reserved, 0],
    ['used cells when idle', usedCells, 0],
  ]);
}

function throwUnlessEqual(counts: readonly (readonly [what: string, counted: number, expected: number])[]): void {
  const problems = counts
    .filter(([, counted, expected]) => counted !== expected)
    .map(([what, counted, expected]) => `${counted} ${what} instead of ${expected}`);
  if (problems.length > 0) throw new IntegrityError(problems);
}
