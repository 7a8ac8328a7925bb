import type { Candidate, TokenLogprob } from '../types.ts';
import { bytesOf, vocabulary } from './vocabulary.ts';

/** Log-probabilities of a row of picks: the picked token first, each further one half as likely. */
export function logprobOf(token: number, history: number, top: number): TokenLogprob {
  const others = vocabulary.spokenTokens.filter((other) => other !== token);
  const first = history % others.length;
  const alternatives = [token, ...others.slice(first), ...others.slice(0, first)].slice(0, top);
  return { ...candidate(token, 0), top: alternatives.map(candidate) };
}

function candidate(token: number, rank: number): Candidate {
  return { token, bytes: Buffer.from(bytesOf(token), 'latin1'), logprob: -Math.LN2 * (rank + 1) };
}

/** Keeps log-probabilities until their tokens' bytes are certain to be no part of a stop string. */
export class KeptLogprobs {
  #kept: { logprob: TokenLogprob; start: number }[] = [];
  #bytes = 0;

  keep(bytes: string, logprob: TokenLogprob): void {
    this.#kept.push({ logprob, start: this.#bytes });
    this.#bytes += bytes.length;
  }

  takeBefore(certainBytes: number): TokenLogprob[] {
    const count = this.#kept.findIndex(({ start }) => start >= certainBytes);
    return this.#kept.splice(0, count < 0 ? this.#kept.length : count).map(({ logprob }) => logprob);
  }
}
