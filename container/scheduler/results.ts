import type { EntryResult, PlanResult } from '#engine/types.ts';
import type { PrefillBudget, StepCost } from './budget.ts';
import type { Clock } from './clock.ts';
import type { Jobs } from './jobs.ts';
import type { Chunk } from './prefill.ts';
import type { TokenRate } from './rate.ts';
import type { Choice } from './request.ts';
import { boundLengths, type Step } from './step.ts';

interface PassTimes {
  startedAt: number;
  endedAt: number;
}

/** Turns a step's result into progress of its choices and events for their listeners. */
export class ResultReader {
  readonly #jobs: Jobs;
  readonly #budget: PrefillBudget;
  readonly #rate: TokenRate;
  readonly #clock: Clock;

  constructor(jobs: Jobs, { budget, rate, clock }: { budget: PrefillBudget; rate: TokenRate; clock: Clock }) {
    this.#jobs = jobs;
    this.#budget = budget;
    this.#rate = rate;
    this.#clock = clock;
  }

  read(step: Step, result: PlanResult): void {
    const endedAt = this.#clock.now();
    const times = { startedAt: endedAt - result.timings.passMs - result.timings.sampleMs, endedAt };
    this.#budget.learn(costOf(step, result));
    this.#checkStarts(step, result.cache);
    step.decodes.forEach((choice, index) => {
      choice.expected--;
      this.#readEntry(choice, result.entries[index]!, times);
    });
    step.chunks.forEach((chunk, index) => {
      if (chunk.last) chunk.choice.expected--;
      this.#readEntry(chunk.choice, result.entries[step.decodes.length + index]!, times);
      this.#tellProgress(chunk);
    });
  }

  #checkStarts(step: Step, cache: readonly number[]): void {
    boundLengths(step, cache).forEach((length, index) => {
      const { choice, length: wanted } = step.starts[index]!;
      if (choice.isRunning && length !== wanted) this.#failOutOfStep(choice, `has ${length} of ${wanted} tokens`);
    });
  }

  #readEntry(choice: Choice, entry: EntryResult, { startedAt, endedAt }: PassTimes): void {
    if (!choice.isRunning) return;
    if (entry.outcome !== 'ran') {
      this.#failOutOfStep(choice, `is ${entry.outcome}`);
      return;
    }
    choice.firstPassAt ??= Math.max(startedAt, choice.request.submittedAt);
    if (entry.tokens.length > 0) choice.firstTokenAt ??= endedAt;
    for (const token of entry.tokens) choice.generated.push(token);
    choice.unsentTokens += entry.tokens.length;
    this.#rate.add(entry.tokens.length, endedAt);
    if (entry.text !== '' || entry.logprobs?.length) this.#tellDelta(choice, entry);
    // The listener may have cancelled the job.
    if (entry.end !== undefined && choice.isRunning) this.#jobs.finish(choice, entry.end, endedAt);
  }

  #tellDelta(choice: Choice, { text, logprobs }: EntryResult): void {
    const tokens = choice.unsentTokens;
    choice.unsentTokens = 0;
    const delta = { type: 'delta' as const, choice: choice.index, text, tokens };
    this.#jobs.tell(choice.request.listener, logprobs === undefined ? delta : { ...delta, logprobs });
  }

  #tellProgress({ choice, to, last }: Chunk): void {
    const isFirstTime = choice.index === 0 && choice.feed === choice.request.job.prompt;
    if (last || !isFirstTime || !choice.isRunning) return;
    this.#jobs.tell(choice.request.listener, { type: 'progress', prefilled: to });
  }

  #failOutOfStep(choice: Choice, what: string): void {
    this.#jobs.fail(
      choice.request,
      'engine_failed',
      `the engine and the scheduler disagree: choice ${choice.index} ${what}`,
    );
  }
}

function costOf(step: Step, result: PlanResult): StepCost {
  let streams = 0;
  let prefillTokens = 0;
  result.entries.forEach((entry, index) => {
    prefillTokens += entry.fed;
    if (index < step.decodes.length && entry.outcome === 'ran') streams++;
  });
  return { prefillTokens, streams, passMs: result.timings.passMs };
}
