/** Sluice as `npm start` runs it, in processes of its own, for the bench to load: bench/main.ts forks this file. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalRegistry, TABLE } from '#dev/local-registry.ts';
import { Supervisor } from '#dev/supervisor.ts';
import { openTable } from '#registry/table.ts';
import { listWorkers } from '#registry/workers.ts';

export interface StackOptions {
  /** GGUF file; undefined runs the simulated engine. */
  path: string | undefined;
  slots: number;
  context: number;
  threads: number;
}

export interface StackAddress {
  /** Base URL of the worker. */
  worker: string;
  token: string;
  /** Ends in `/v1`. */
  gateway: string;
  key: string;
  model: string;
  version: string;
}

const MODEL = { id: 'bench', version: '1' };
const KEY = 'sk-bench';

async function start(options: StackOptions): Promise<StackAddress> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  const registry = await openLocalRegistry(folder, [MODEL]);
  const token = randomBytes(32).toString('hex');
  const shared = {
    SLUICE_TABLE: TABLE,
    SLUICE_REGISTRY_ENDPOINT: registry.endpoint,
    SLUICE_WORKER_TOKEN: token,
    SLUICE_LOG_LEVEL: 'warn',
  };
  const supervisor = new Supervisor({
    name: MODEL.id,
    log: console.error,
    env: {
      ...process.env,
      ...shared,
      ...(options.path === undefined ? { SLUICE_ENGINE: 'simulated' } : { SLUICE_MODEL_PATH: options.path }),
      SLUICE_MODEL_ID: MODEL.id,
      SLUICE_MODEL_VERSION: MODEL.version,
      SLUICE_SLOTS: String(options.slots),
      SLUICE_CONTEXT: String(options.context),
      SLUICE_THREADS: String(options.threads),
    },
  });
  await supervisor.started;
  const [worker] = await listWorkers(openTable({ table: TABLE, endpoint: registry.endpoint }));
  Object.assign(process.env, shared, { SLUICE_API_KEYS: KEY });
  const { startGateway } = await import('#dev/gateway.ts');
  const gateway = await startGateway({ host: '127.0.0.1', port: 0 });
  process.once('disconnect', async () => {
    await gateway.close({ graceMs: 0 });
    await supervisor.stop({ graceMs: 1_000 });
    await registry.close();
    rmSync(folder, { recursive: true, force: true });
    process.exit(0);
  });
  return {
    worker: worker!.url,
    token,
    gateway: `${gateway.url}/v1`,
    key: KEY,
    model: MODEL.id,
    version: MODEL.version,
  };
}

process.once('message', async (options) => {
  process.send!(await start(options as StackOptions));
});
