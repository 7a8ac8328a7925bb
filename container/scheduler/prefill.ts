import type { Choice } from './request.ts';

/** Binds a choice to its sequence, which then holds `length` tokens, shared with the sequence `from`. */
export interface Start {
  choice: Choice;
  from: number | undefined;
  length: number;
}

export interface Chunk {
  choice: Choice;
  from: number;
  to: number;
  /** The next token is picked as well. */
  last: boolean;
}

export interface Prefills {
  starts: Start[];
  chunks: Chunk[];
}

/** Gives the step's tokens to prompts in the order of admission. */
export function choosePrefills(running: Iterable<Choice>, tokens: number, sharesPrompts: boolean): Prefills {
  const starts: Start[] = [];
  const chunks: Chunk[] = [];
  let room = tokens;
  for (const choice of running) {
    if (room <= 0) break;
    if (!choice.needsPrefill) continue;
    let from = choice.fed;
    if (!choice.bound) {
      const start = sharesPrompts ? startBesideSiblings(choice) : startAlone(choice);
      if (start === undefined) continue;
      starts.push(start);
      from = start.length;
    }
    const to = Math.min(from + room, choice.feed.length);
    chunks.push({ choice, from, to, last: to === choice.feed.length });
    room -= to - from;
  }
  return { starts, chunks };
}

const startAlone = (choice: Choice): Start => ({ choice, from: undefined, length: 0 });

/** Only the leader computes the prompt. Siblings wait for it, and compute the last token to pick a token of their own. */
function startBesideSiblings(choice: Choice): Start | undefined {
  const leader = choice.request.leader!;
  const shared = choice.request.job.prompt.length - 1;
  if (choice === leader || shared === 0) return startAlone(choice);
  if (!leader.bound || leader.fed < shared) return undefined;
  return { choice, from: leader.sequence, length: shared };
}
