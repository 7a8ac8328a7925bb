/** What results mean for jobs: measurements, and events for listeners. */
import type { EndReason, PlanResult } from '#engine/types.ts';
import type { StepCost } from './budget.ts';
import type { Choice } from './request.ts';
import type { Step } from './step.ts';
import type { JobEvent, JobTimings } from './types.ts';

export function costOf(step: Step, result: PlanResult): StepCost {
  let streams = 0;
  let prefillTokens = 0;
  result.entries.forEach((entry, index) => {
    prefillTokens += entry.fed;
    if (index < step.decodes.length && entry.outcome === 'ran') streams++;
  });
  return { prefillTokens, streams, passMs: result.timings.passMs };
}

export function endEvent(choice: Choice, reason: EndReason, endedAt: number): JobEvent {
  return {
    type: 'end',
    choice: choice.index,
    finish: reason === 'eos' || reason === 'stop' ? 'stop' : 'length',
    // Counts what an earlier request left behind; a prompt that siblings share was computed for this request.
    cachedTokens: 0,
    completionTokens: choice.generated.length,
    timings: timingsOf(choice, endedAt),
  };
}

function timingsOf(choice: Choice, endedAt: number): JobTimings {
  const firstPassAt = choice.firstPassAt ?? endedAt;
  const firstTokenAt = choice.firstTokenAt ?? endedAt;
  return {
    queueMs: firstPassAt - choice.request.submittedAt,
    prefillMs: firstTokenAt - firstPassAt,
    decodeMs: endedAt - firstTokenAt,
  };
}
