/** The worker process: one model, one engine, one scheduler, one server. */
import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Engine, EngineError } from '#engine';
import { openTable } from '#registry/table.ts';
import { type Configuration, readConfiguration } from './configuration.ts';
import { type EngineRecipe, prepareEngine } from './engine.ts';
import { Heartbeat } from './heartbeat.ts';
import { createLog } from './log.ts';
import { createScheduler, type Scheduler } from './scheduler/index.ts';
import { startServer, type WorkerServer } from './server.ts';
import { Worker, type WorkerIdentity } from './worker.ts';

/** What the supervisor hears over IPC. */
type Report =
  | { type: 'progress'; fraction: number }
  | { type: 'ready'; url: string }
  | { type: 'failed'; code: string; message: string };

interface Parts {
  worker: Worker;
  server: WorkerServer;
  engine: Engine;
  scheduler: Scheduler;
  heartbeat: Heartbeat;
  log: Logger;
}

function report(message: Report): void {
  process.send?.(message);
}

async function run(): Promise<void> {
  const configuration = readConfiguration(process.env);
  const id = randomUUID();
  const log = createLog(configuration.logLevel, id);
  const recipe = prepareEngine(configuration, log);
  const worker = new Worker(identify(id, configuration, recipe));
  const { token, host, port, slots, drainMs } = configuration;
  const server = await startServer({ worker, token, host, port, log });
  const engine = await recipe.load((fraction) => {
    worker.loaded = fraction;
    report({ type: 'progress', fraction });
  });
  const scheduler = createScheduler(engine, {
    slots,
    onFault: (error) => log.error({ err: error }, 'a listener failed'),
  });
  endWhenBroken(engine, server, log);
  worker.serve({ engine, scheduler });
  const heartbeat = new Heartbeat({
    table: openRegistry(configuration),
    worker,
    url: server.url,
    pool: configuration.pool,
    log,
  });
  await heartbeat.start();
  process.once('SIGTERM', () => void drain({ worker, server, engine, scheduler, heartbeat, log }, drainMs));
  // Nobody would ever use or end a worker whose supervisor is gone.
  process.once('disconnect', () => process.exit(1));
  report({ type: 'ready', url: server.url });
}

function identify(id: string, { engine, model }: Configuration, { context, kinds }: EngineRecipe): WorkerIdentity {
  const created = Math.floor(Date.now() / 1000);
  const served = { model: model.id, version: model.version, adapters: [], kinds, modalities: ['text' as const] };
  return { id, engine, model: { ...served, context, created } };
}

function openRegistry({ table, registryEndpoint: endpoint }: Configuration) {
  return openTable({ table, ...(endpoint === undefined ? {} : { endpoint }) });
}

/** The scheduler fails its jobs; their error events leave before the supervisor starts a fresh process. */
function endWhenBroken(engine: Engine, server: WorkerServer, log: Logger): void {
  const failJobs = engine.onBroken;
  engine.onBroken = (error: EngineError) => {
    log.fatal({ err: error }, 'the engine broke');
    failJobs(error);
    void server.close().then(() => process.exit(1));
  };
}

/** Takes no more requests, lets running ones finish for up to `drainMs`, and ends the process. */
async function drain({ worker, server, engine, scheduler, heartbeat, log }: Parts, drainMs: number): Promise<void> {
  worker.refuseNewRequests();
  await heartbeat.beat().catch((error: unknown) => log.warn({ err: error }, 'the registry was not told of the end'));
  const cut = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref());
  await Promise.race([scheduler.drain(), cut]);
  await server.close();
  await heartbeat.stop().catch((error: unknown) => log.warn({ err: error }, 'the registry still lists this worker'));
  await engine.close();
  process.exit(0);
}

/** What has a code is expected (configuration, model file, memory) and told in one line; the rest is a defect. */
function fail(error: unknown): void {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  report({ type: 'failed', code: code ?? 'internal', message });
  // A supervisor says what is expected in its own words.
  if (code === undefined) console.error(error);
  else if (process.send === undefined) console.error(message);
  process.exit(1);
}

// Ctrl-C in a terminal reaches the whole process group; the supervisor decides when a worker ends.
process.on('SIGINT', () => undefined);

run().catch(fail);
