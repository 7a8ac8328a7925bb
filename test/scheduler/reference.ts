/** The oracle: one job after the other, one choice after the other, every prompt in one piece, nothing shared. */
import type { Job } from '#container/scheduler/types.ts';
import { type EndReason, type Engine, type EntryResult, SimulatedEngine } from '#engine';

export interface Completion {
  text: string;
  finish: 'stop' | 'length';
  completionTokens: number;
}

/** What each choice of the job must give on an engine with `contextLimit` tokens of context. */
export async function runAlone(job: Job, contextLimit: number): Promise<Completion[]> {
  const engine = new SimulatedEngine({ context: contextLimit, slots: 1, batch: contextLimit });
  const completions: Completion[] = [];
  for (let choice = 0; choice < job.choices; choice++) {
    const slot = engine.openSlot({
      sampling: job.sampling,
      stops: job.stops,
      choice,
      maxTokens: job.maxTokens ?? contextLimit,
      contextLimit,
    });
    const entries = [await runPlan(engine, { kind: 'prefill', slot, tokens: job.prompt, outputs: 'last' })];
    while (entries.at(-1)!.end === undefined) entries.push(await runPlan(engine, { kind: 'decode', slot, maxNew: 1 }));
    engine.closeSlot(slot);
    completions.push(completionOf(entries));
  }
  await engine.close();
  return completions;
}

function runPlan(engine: Engine, entry: Parameters<Engine['submit']>[0]['entries'][number]): Promise<EntryResult> {
  const isFirst = entry.kind === 'prefill';
  return new Promise((resolve) => {
    engine.onResult = (result) => resolve(result.entries[0]!);
    engine.submit({
      id: 1,
      cache: isFirst
        ? [
            { op: 'release', sequence: 0 },
            { op: 'bind', slot: entry.slot, sequence: 0 },
          ]
        : [],
      entries: [entry],
    });
  });
}

function completionOf(entries: readonly EntryResult[]): Completion {
  const stopping: readonly (EndReason | undefined)[] = ['eos', 'stop'];
  return {
    text: entries.map((entry) => entry.text).join(''),
    finish: stopping.includes(entries.at(-1)!.end) ? 'stop' : 'length',
    completionTokens: entries.reduce((sum, entry) => sum + entry.tokens.length, 0),
  };
}
