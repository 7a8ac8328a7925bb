/** The worker process: one model, one engine, one scheduler, one server. */
import { randomUUID } from 'node:crypto';
import { EngineError } from '#engine';
import { openTable } from '#registry/table.ts';
import { ConfigurationError, readConfiguration } from './configuration.ts';
import { prepareEngine } from './engine.ts';
import { Heartbeat } from './heartbeat.ts';
import { createLog } from './log.ts';
import { createScheduler } from './scheduler/index.ts';
import { startServer } from './server.ts';
import { Worker } from './worker.ts';

/** What the supervisor hears over IPC. */
type Report =
  | { type: 'progress'; fraction: number }
  | { type: 'ready'; url: string }
  | { type: 'failed'; code: string; message: string };

function report(message: Report): void {
  process.send?.(message);
}

async function run(): Promise<void> {
  const configuration = readConfiguration(process.env);
  const { model } = configuration;
  const id = randomUUID();
  const log = createLog(configuration.logLevel, id);
  const recipe = prepareEngine(configuration, log);
  const worker = new Worker({
    id,
    engine: configuration.engine,
    model: {
      model: model.id,
      version: model.version,
      adapters: [],
      kinds: recipe.kinds,
      modalities: ['text'],
      context: recipe.context,
      created: Math.floor(Date.now() / 1000),
    },
  });
  const { token, host, port } = configuration;
  const server = await startServer({ worker, token, host, port, log });
  const engine = await recipe.load((fraction) => {
    worker.loaded = fraction;
    report({ type: 'progress', fraction });
  });
  const scheduler = createScheduler(engine, {
    slots: configuration.slots,
    onFault: (error) => log.error({ err: error }, 'a listener failed'),
  });
  const failJobs = engine.onBroken;
  engine.onBroken = (error) => {
    log.fatal({ err: error }, 'the engine broke');
    failJobs(error);
    process.exitCode = 1;
    // The requests' error events leave first; then the supervisor starts a fresh process.
    void server.close().then(() => process.exit(1));
  };
  worker.serve({ engine, scheduler });
  const endpoint = configuration.registryEndpoint;
  const table = openTable({ table: configuration.table, ...(endpoint === undefined ? {} : { endpoint }) });
  const heartbeat = new Heartbeat({ table, worker, url: server.url, pool: configuration.pool, log });
  await heartbeat.start();

  let isEnding = false;
  const end = async () => {
    if (isEnding) return;
    isEnding = true;
    worker.refuseNewRequests();
    await heartbeat.beat().catch((error: unknown) => log.warn({ err: error }, 'the registry was not told of the end'));
    const cut = new Promise<void>((resolve) => setTimeout(resolve, configuration.drainMs).unref());
    await Promise.race([scheduler.drain(), cut]);
    await server.close();
    await heartbeat.stop().catch((error: unknown) => log.warn({ err: error }, 'the registry still lists this worker'));
    await engine.close();
    process.exit(0);
  };
  process.once('SIGTERM', () => void end());
  // Nobody would ever use or end a worker whose supervisor is gone.
  process.once('disconnect', () => process.exit(1));
  report({ type: 'ready', url: server.url });
}

// Ctrl-C in a terminal reaches the whole process group; the supervisor decides when a worker ends.
process.on('SIGINT', () => undefined);

run().catch((error: unknown) => {
  const isExpected = error instanceof EngineError || error instanceof ConfigurationError || hasCode(error);
  const message = error instanceof Error ? error.message : String(error);
  report({ type: 'failed', code: isExpected ? (error as { code: string }).code : 'internal', message });
  // A supervisor says what is expected in its own words.
  if (!isExpected) console.error(error);
  else if (process.send === undefined) console.error(message);
  process.exit(1);
});

function hasCode(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}
