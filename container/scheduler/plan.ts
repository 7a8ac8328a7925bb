import type { PrefillBudget } from './budget.ts';
import { chooseDecodes } from './decode.ts';
import { choosePrefills } from './prefill.ts';
import type { State } from './state.ts';
import type { Step } from './step.ts';

/** The next step for what runs, as a function of state and budget alone; undefined when there is nothing to do. */
export function proposeStep(state: State, budget: PrefillBudget): Step | undefined {
  const decodes = chooseDecodes(state.running);
  const { starts, chunks } = choosePrefills(state.running, budget.tokensBeside(decodes.length), state.sharesPrompts);
  const releases = [...state.sequences.unreleased];
  const isEmpty = releases.length === 0 && decodes.length === 0 && chunks.length === 0;
  return isEmpty ? undefined : { releases, starts, decodes, chunks };
}
