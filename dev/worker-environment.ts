import type { LocalModel } from './models/model.ts';
import type { Options } from './options.mjs';

export interface WorkerPlace {
  registryEndpoint: string;
  table: string;
  /** Shared by the functions and the workers of this start. */
  token: string;
  logLevel: string;
}

/** Variables that belong to the gateway's side and would mean something else to a worker, or nothing. */
const NOT_FOR_WORKERS = ['SLUICE_API_KEY', 'SLUICE_API_KEYS', 'SLUICE_CONTEXT', 'SLUICE_THREADS'];

/** The whole environment of the worker process that serves `model` as `id`. */
export function workerEnvironment(
  model: Pick<LocalModel, 'id' | 'path' | 'version'>,
  options: Options,
  place: WorkerPlace,
): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_FOR_WORKERS.includes(name));
  return {
    ...Object.fromEntries(inherited),
    SLUICE_MODEL_PATH: model.path,
    SLUICE_MODEL_ID: model.id,
    SLUICE_MODEL_VERSION: model.version,
    SLUICE_SLOTS: String(options.slots),
    SLUICE_GPU_LAYERS: String(options.gpuLayers),
    SLUICE_CACHE_TYPE: options.cacheType,
    ...(options.context === undefined ? {} : { SLUICE_CONTEXT: String(options.context) }),
    ...(options.threads === undefined ? {} : { SLUICE_THREADS: String(options.threads) }),
    SLUICE_WORKER_TOKEN: place.token,
    SLUICE_WORKER_HOST: '127.0.0.1',
    SLUICE_WORKER_PORT: '0',
    SLUICE_TABLE: place.table,
    SLUICE_REGISTRY_ENDPOINT: place.registryEndpoint,
    SLUICE_POOL: 'primary',
    SLUICE_LOG_LEVEL: place.logLevel,
  };
}
