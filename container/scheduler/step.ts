import type { CacheOp, Entry, Plan } from '#engine/types.ts';
import type { Chunk, Start } from './prefill.ts';
import type { Choice } from './request.ts';
import type { SequencePool } from './sequences.ts';

/** What one plan is to do, in the order in which the engine does it. */
export interface Step {
  readonly releases: readonly number[];
  readonly starts: readonly Start[];
  readonly decodes: readonly Choice[];
  readonly chunks: readonly Chunk[];
}

export function toPlan(id: number, step: Step): Plan {
  const cache: CacheOp[] = step.releases.map((sequence) => ({ op: 'release', sequence }));
  for (const { choice, from, length } of step.starts) {
    if (from !== undefined) cache.push({ op: 'copy', from, to: choice.sequence!, length });
    cache.push({ op: 'bind', slot: choice.slot!, sequence: choice.sequence! });
  }
  const entries: Entry[] = step.decodes.map((choice) => ({ kind: 'decode', slot: choice.slot!, maxNew: 1 }));
  for (const { choice, from, to, last } of step.chunks) {
    const tokens = choice.feed.subarray(from, to);
    entries.push({ kind: 'prefill', slot: choice.slot!, tokens, outputs: last ? 'last' : 'none' });
  }
  return { id, cache, entries };
}

/** One number per start, from a plan's cache results: the length it is bound with, negative where it was not bound. */
export function boundLengths(step: Step, cache: readonly number[]): number[] {
  let at = step.releases.length;
  return step.starts.map(({ from }) => {
    at += from === undefined ? 1 : 2;
    return cache[at - 1]!;
  });
}

/** Counts a step that is on its way as done. */
export function assume(step: Step, sequences: SequencePool): void {
  for (const sequence of step.releases) sequences.markReleased(sequence);
  for (const { choice, length } of step.starts) {
    choice.bound = true;
    choice.fed = length;
  }
  for (const choice of step.decodes) choice.expected++;
  for (const { choice, from, to, last } of step.chunks) {
    choice.fed += to - from;
    if (last) choice.expected++;
  }
}

/**
 * Takes back what `assume` counted. `cache` are the results of a dropped plan, whose operations stand where they are
 * not negative; without it nothing was done.
 */
export function undo(step: Step, sequences: SequencePool, cache?: readonly number[]): void {
  for (const choice of step.decodes) choice.expected--;
  for (const { choice, from, to, last } of step.chunks) {
    choice.fed -= to - from;
    if (last) choice.expected--;
  }
  const stands = (result: number | undefined) => result !== undefined && result >= 0;
  const lengths = cache === undefined ? [] : boundLengths(step, cache);
  step.starts.forEach(({ choice }, index) => {
    if (stands(lengths[index])) return;
    choice.bound = false;
    choice.fed = 0;
  });
  step.releases.forEach((sequence, index) => {
    if (!stands(cache?.[index])) sequences.markUnreleased(sequence);
  });
}
