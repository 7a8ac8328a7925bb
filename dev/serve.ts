/** Everything of Sluice on one machine: registry, a worker for each model, gateway. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Announcement } from './announcement.ts';
import type { Gateway } from './gateway.ts';
import { openLocalRegistry, TABLE } from './local-registry.ts';
import { type LocalModel, obtainModel } from './models/model.ts';
import { createProgress } from './models/progress.ts';
import { modelIdOf } from './models/reference.ts';
import type { Options } from './options.mjs';
import { requirePort } from './port.ts';
import { Supervisor } from './supervisor.ts';
import { ROOT, SetupError } from './toolchain.mjs';
import { type WorkerPlace, workerEnvironment } from './worker-environment.ts';

export interface ServeTools {
  log: (line: string) => void;
  /** Ends downloads. */
  signal: AbortSignal;
}

/** Running requests may take this long to finish when Sluice is asked to end. */
const GRACE_MS = 30_000;
/** A worker without requests closes its engine within this time. */
const WORKER_EXIT_MS = 5_000;

/**
 * Resolves when requests can be sent. What is opened on the way is deferred on `opened`, to be closed in reverse order.
 * @throws {SetupError | WorkerFailure} one line for the terminal
 */
export async function serve(
  options: Options,
  opened: AsyncDisposableStack,
  { log, signal }: ServeTools,
): Promise<Announcement> {
  await requirePort(options.host, options.port);
  const models = await obtainModels(options, { log, signal });
  const registry = await openLocalRegistry(process.env.SLUICE_DATA || join(ROOT, '.sluice'), models);
  opened.defer(() => registry.close());
  const place: WorkerPlace = {
    registryEndpoint: registry.endpoint,
    table: TABLE,
    token: randomBytes(32).toString('hex'),
    // The functions' line about a request says what the worker's would.
    logLevel: logLevel(options, 'warn'),
  };
  const workers = models.map((model) => superviseWorker(model, models, options, place, log));
  opened.defer(async () => {
    await Promise.all(workers.map((worker) => worker.stop({ graceMs: WORKER_EXIT_MS })));
  });
  const [gateway] = await Promise.all([openGateway(options, place), ...workers.map(({ started }) => started)]);
  opened.defer(() => gateway.close({ graceMs: GRACE_MS }));
  return { url: gateway.url, apiKey: options.apiKey, model: models[0]!.id };
}

async function obtainModels({ models, aliases }: Options, tools: ServeTools): Promise<LocalModel[]> {
  const obtain = process.env.SLUICE_ENGINE === 'simulated' ? simulatedModel : obtainModel;
  const obtained: LocalModel[] = [];
  for (const [index, name] of models.entries()) {
    const model = await obtain(name, tools);
    obtained.push({ ...model, id: aliases[index] ?? model.id });
  }
  const ids = obtained.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice) throw new SetupError(`Two models would be called ${twice}: give each its own --alias`);
  return obtained;
}

/** The simulated engine reads no file. */
function simulatedModel(name: string): LocalModel {
  return { path: name, id: modelIdOf(name), version: 'simulated', bytes: 0 };
}

function superviseWorker(
  model: LocalModel,
  models: readonly LocalModel[],
  options: Options,
  place: WorkerPlace,
  log: (line: string) => void,
): Supervisor {
  // Bars of models that load at the same time would overwrite each other.
  const terminal =
    models.length === 1 ? process.stdout : { isTTY: false, write: process.stdout.write.bind(process.stdout) };
  const progress = createProgress(terminal);
  let loadedBytes = 0;
  progress.start(`Loading ${model.id}`, model.bytes, 0);
  const supervisor = new Supervisor({
    name: model.id,
    env: workerEnvironment(model, options, place),
    log,
    onProgress: (fraction) => {
      const bytes = Math.round(fraction * model.bytes);
      progress.advance(bytes - loadedBytes);
      loadedBytes = bytes;
    },
  });
  void supervisor.started.then(progress.end, progress.end);
  return supervisor;
}

/** Imported late: the workers load their models meanwhile. */
async function openGateway(options: Options, place: WorkerPlace): Promise<Gateway> {
  const { host, port, apiKey } = options;
  Object.assign(process.env, {
    SLUICE_TABLE: place.table,
    SLUICE_REGISTRY_ENDPOINT: place.registryEndpoint,
    SLUICE_WORKER_TOKEN: place.token,
    SLUICE_API_KEYS: apiKey,
    SLUICE_LOG_LEVEL: logLevel(options, 'info'),
  });
  const { PortTakenError, startGateway } = await import('./gateway.ts');
  const onFunctionError = (error: unknown, file: string) => console.error(`functions/${file} failed`, error);
  try {
    return await startGateway({ host, port, onFunctionError });
  } catch (error) {
    if (error instanceof PortTakenError) throw new SetupError(error.message, { cause: error });
    throw error;
  }
}

const logLevel = ({ verbose }: Options, initial: string) =>
  verbose ? 'debug' : process.env.SLUICE_LOG_LEVEL || initial;
