/**
 * What stands for the forward pass: the next token is a hash of the whole history, so a token in a wrong place changes
 * everything after it, and how tokens were batched changes nothing.
 */
import type { Sampling } from '../types.ts';
import { vocabulary } from './vocabulary.ts';

/** One in so many picks ends generation. */
const MEAN_LENGTH = 32;

/** From here on a bias decides alone. */
const FORCING_BIAS = 100;
const MOST_ATTEMPTS = 1_000;

/** The hash of no history. */
export const EMPTY_HISTORY = 0x5105ce;

function mix(hash: number, value: number): number {
  let mixed = Math.imul(hash ^ value, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca77);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae3d);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The hash of a history that goes on with `token`. */
export function extendHistory(history: number, token: number): number {
  return mix(history, token + 1);
}

/**
 * Picks the token after a history that ends with `lastToken`. Of the sampling fields only `temperature` (zero or not),
 * `seed`, `ignoreEos` and the extremes of `logitBias` matter: there is no distribution that the others could change.
 */
export function pickNext(history: number, lastToken: number, sampling: Sampling, choice: number): number {
  const forced = sampling.logitBias.find(([, bias]) => bias >= FORCING_BIAS);
  if (forced !== undefined) return forced[0];
  const isForbidden = (token: number) => sampling.logitBias.some(([id, bias]) => id === token && bias <= -FORCING_BIAS);
  const tail = vocabulary.tailOf(lastToken);
  if (tail !== undefined && !isForbidden(tail)) return tail;
  let draw = history;
  if (sampling.temperature > 0) {
    draw = mix(mix(mix(draw, sampling.seed % 2 ** 32), Math.floor(sampling.seed / 2 ** 32)), choice + 1);
  }
  // Never after a line break, with which chat prompts end: an answer has at least one word.
  if (lastToken !== vocabulary.lineBreak && draw % MEAN_LENGTH === 0 && !sampling.ignoreEos) {
    return vocabulary.messageEnd;
  }
  const { spokenTokens } = vocabulary;
  for (let attempt = 1; ; attempt++) {
    const token = spokenTokens[mix(draw, attempt) % spokenTokens.length]!;
    // A bias on every token forbids none of them against the others.
    if (!isForbidden(token) || attempt > MOST_ATTEMPTS) return token;
  }
}
