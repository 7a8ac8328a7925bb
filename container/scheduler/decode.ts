import type { Choice } from './request.ts';

/** Every stream takes part in every step. */
export function chooseDecodes(running: Iterable<Choice>): Choice[] {
  const decodes: Choice[] = [];
  for (const choice of running) {
    if (choice.canDecode) decodes.push(choice);
  }
  return decodes;
}
