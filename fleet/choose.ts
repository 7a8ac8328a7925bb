/** Which version of a model answers, and which worker. */
import type { ModelItem, WorkerItem } from '#contract/registry.ts';
import { FleetFailure } from './failure.ts';
import type { RegistrySnapshot } from './registry-view.ts';

/** @throws FleetFailure `model_not_found` */
export function chooseModel(registry: RegistrySnapshot, id: string): ModelItem {
  const model = registry.models.find((candidate) => candidate.id === id);
  if (model === undefined) {
    throw new FleetFailure(
      'model_not_found',
      `The model '${id}' does not exist or you do not have access to it.`,
      false,
    );
  }
  return model;
}

/** Those that have been heard of lately. */
export function liveWorkers({ workers }: RegistrySnapshot): WorkerItem[] {
  return workers.filter(({ expires }) => expires > Date.now());
}

export function chooseVersion(model: ModelItem): string {
  return model.route.stable;
}

/**
 * The least busy worker that is ready for the model in this version, an untried one where there is any.
 *
 * @param tried ids of the workers that failed this request
 * @throws FleetFailure `loading`, `draining` or `no_worker`
 */
export function chooseWorker(
  registry: RegistrySnapshot,
  model: string,
  version: string,
  tried: ReadonlySet<string>,
): WorkerItem {
  const serving = liveWorkers(registry).flatMap((worker) =>
    worker.models
      .filter((served) => served.model === model && served.version === version)
      .map((served) => ({ worker, state: served.state })),
  );
  const ready = serving.filter(({ state }) => state === 'ready').map(({ worker }) => worker);
  const untried = ready.filter((worker) => !tried.has(worker.id));
  const chosen = leastBusy(untried.length > 0 ? untried : ready);
  if (chosen !== undefined) return chosen;
  if (serving.some(({ state }) => state === 'loading')) {
    throw new FleetFailure('loading', `The model '${model}' is still loading.`, true);
  }
  if (serving.length > 0) throw new FleetFailure('draining', `The model '${model}' is being moved.`, true);
  throw new FleetFailure('no_worker', `No worker serves the model '${model}' at the moment.`, true);
}

/** Ties are broken at random: the figures are seconds old, and everybody else reads the same ones. */
function leastBusy(workers: readonly WorkerItem[]): WorkerItem | undefined {
  const requests = (worker: WorkerItem) => worker.load.running + worker.load.queued;
  const fewest = Math.min(...workers.map(requests));
  const idlest = workers.filter((worker) => requests(worker) === fewest);
  return idlest[Math.floor(Math.random() * idlest.length)];
}
