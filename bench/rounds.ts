/** Interleaved rounds: every target in turn at every load, so that a drift of the machine hits all of them. */
import type { NativeEngine } from '#engine/native.ts';
import type { Sampling, Target } from './client.ts';
import { runLimit } from './limit.ts';
import { type LoadFigures, runLoad } from './load.ts';
import { ForeignCpu } from './processes.ts';
import { distinctPrompts } from './prompts.ts';

export interface Cell {
  round: number;
  streams: number;
  sampling: string;
  target: string;
  figures: LoadFigures;
}

export interface RoundsOptions {
  rounds: number;
  tokens: number;
  streams: readonly number[];
  samplings: readonly Sampling[];
  targets: readonly Target[];
  limit: NativeEngine;
  onProgress: (line: string) => void;
}

/** A round in which others used more of the processors than this does not count. */
const FOREIGN_CPU_BOUND = 0.05;
/** The machine is not quiet enough for any figure then. */
const MOST_DISCARDED = 20;

/** @returns the cells of the rounds that count, and how many did not */
export async function runRounds(options: RoundsOptions): Promise<{ cells: Cell[]; discarded: number }> {
  const cells: Cell[] = [];
  let discarded = 0;
  for (let round = 0; round < options.rounds && discarded < MOST_DISCARDED; ) {
    const foreign = new ForeignCpu();
    const measured = await runRound(options, round, foreign);
    const { share } = foreign;
    const counts = share <= FOREIGN_CPU_BOUND;
    options.onProgress(
      `round ${round + 1} of ${options.rounds}: others used ${(share * 100).toFixed(1)} % of the processors${counts ? '' : ', discarded'}`,
    );
    if (!counts) {
      discarded++;
      continue;
    }
    cells.push(...measured);
    round++;
  }
  return { cells, discarded };
}

async function runRound(options: RoundsOptions, round: number, foreign: ForeignCpu): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const streams of options.streams) {
    const prompts = distinctPrompts(streams, round);
    const tokenized = await Promise.all(prompts.map((prompt) => renderTokens(options.limit, prompt)));
    const limit = await foreign.during(() => runLimit(options.limit, tokenized, options.tokens));
    const figures = { ...limit, firstTokenP50: Number.NaN, firstTokenP95: Number.NaN };
    cells.push({ round, streams, sampling: 'argmax', target: 'limit', figures });
    for (const sampling of options.samplings) {
      for (const target of options.targets) {
        const measure = () => runLoad(target, prompts, options.tokens, sampling);
        // Another server's own work is foreign to us, and what is to be measured.
        const figures = await (target.isOurs ? foreign.during(measure) : measure());
        cells.push({ round, streams, sampling: sampling.name, target: target.name, figures });
      }
    }
  }
  return cells;
}

async function renderTokens(engine: NativeEngine, prompt: string): Promise<Int32Array> {
  return (await engine.renderChat({ messages: [{ role: 'user', content: prompt }], addGenerationPrompt: true })).tokens;
}
