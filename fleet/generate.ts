/** Runs a request on a worker of the fleet. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GenerateRequest } from '#contract/worker.ts';
import { chooseModel, chooseVersion, chooseWorker } from './choose.ts';
import type { Spoken } from './event-reader.ts';
import { FleetFailure } from './failure.ts';
import type { RegistryView } from './registry-view.ts';
import { callWorker } from './worker-call.ts';

export interface Fleet {
  registry: RegistryView;
  workerToken: string;
  /** Milliseconds; three missed pings. Tests make it shorter. */
  silenceMs?: number;
}

/** A request for which no version and no worker has been chosen yet. */
export type GenerateDraft = Omit<GenerateRequest, 'version' | 'attempt'>;

const MAX_ATTEMPTS = 2;
const MAX_RETRY_DELAY_MS = 100;
const SILENCE_MS = 6_000;

/**
 * Yields the worker's events, those that arrive together in one batch. As long as no text has been yielded, a
 * retryable failure is tried again, once; a second `accepted` then follows the first.
 *
 * @throws FleetFailure
 */
export async function* generate(
  fleet: Fleet,
  draft: GenerateDraft,
  signal: AbortSignal,
): AsyncGenerator<readonly Spoken[], void, void> {
  const version = chooseVersion(chooseModel(await fleet.registry.snapshot(), draft.model));
  const tried = new Set<string>();
  for (let attempt = 1; ; attempt++) {
    const registry = attempt === 1 ? await fleet.registry.snapshot() : await fleet.registry.freshSnapshot();
    const worker = chooseWorker(registry, draft.model, version, tried);
    let hasText = false;
    try {
      const events = callWorker({
        url: worker.url,
        token: fleet.workerToken,
        request: { ...draft, version, attempt },
        silenceMs: fleet.silenceMs ?? SILENCE_MS,
        signal,
      });
      for await (const batch of events) {
        hasText ||= batch.some((event) => event.type === 'delta');
        yield batch;
      }
      return;
    } catch (error) {
      const isRetryable = error instanceof FleetFailure && error.retryable;
      if (!isRetryable || hasText || attempt === MAX_ATTEMPTS || signal.aborted) throw error;
    }
    tried.add(worker.id);
    await sleep(Math.random() * MAX_RETRY_DELAY_MS);
  }
}
