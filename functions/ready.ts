/** `GET /ready`: requests would find a worker. */
import { liveWorkers } from '#fleet/choose.ts';
import type { RegistrySnapshot } from '#fleet/registry-view.ts';
import { jsonResponse } from './http/api-event.ts';
import { endpoint } from './http/endpoint.ts';
import { type Services, services } from './http/services.ts';

type Check = 'ok' | 'failed';

export const createHandler = (services: () => Services) =>
  endpoint(services, [], async () => {
    const snapshot = await readRegistry(services());
    const checks: Record<'registry' | 'worker', Check> = {
      registry: snapshot === undefined ? 'failed' : 'ok',
      worker: snapshot !== undefined && hasReadyWorker(snapshot) ? 'ok' : 'failed',
    };
    const isReady = Object.values(checks).every((check) => check === 'ok');
    return { ...jsonResponse({ status: isReady ? 'ready' : 'not_ready', checks }), statusCode: isReady ? 200 : 503 };
  });

export const handler = createHandler(services);

async function readRegistry({ fleet, log }: Services): Promise<RegistrySnapshot | undefined> {
  try {
    return await fleet.registry.snapshot();
  } catch (error) {
    log.warn({ err: error }, 'the registry cannot be read');
    return undefined;
  }
}

function hasReadyWorker(snapshot: RegistrySnapshot): boolean {
  return liveWorkers(snapshot).some((worker) => worker.models.some(({ state }) => state === 'ready'));
}
