/** What the endpoints work with, made once per instance. */
import { type Logger, pino } from 'pino';
import type { Fleet } from '#fleet/generate.ts';
import { RegistryView } from '#fleet/registry-view.ts';
import { listModels } from '#registry/models.ts';
import { openTable } from '#registry/table.ts';
import { listWorkers } from '#registry/workers.ts';
import { ApiKeys } from './api-keys.ts';
import { readConfiguration } from './configuration.ts';

export interface Services {
  apiKeys: ApiKeys;
  ignoredParameters: ReadonlySet<string>;
  fleet: Fleet;
  log: Logger;
  /** Milliseconds of silence after which a stream sends a comment. */
  heartbeatMs: number;
}

const HEARTBEAT_MS = 10_000;

let instance: Services | undefined;

/** The services that the environment describes. */
export function services(): Services {
  instance ??= openServices(process.env);
  return instance;
}

function openServices(environment: NodeJS.ProcessEnv): Services {
  const configuration = readConfiguration(environment);
  const { registryEndpoint: endpoint } = configuration;
  const table = openTable({ table: configuration.table, ...(endpoint === undefined ? {} : { endpoint }) });
  const registry = new RegistryView(async () => {
    const [models, workers] = await Promise.all([listModels(table), listWorkers(table)]);
    return { models, workers };
  });
  return {
    apiKeys: new ApiKeys(configuration.apiKeys),
    ignoredParameters: configuration.ignoredParameters,
    fleet: { registry, workerToken: configuration.workerToken },
    log: pino({ level: configuration.logLevel }),
    heartbeatMs: HEARTBEAT_MS,
  };
}
