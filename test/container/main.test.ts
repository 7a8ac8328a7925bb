/** The worker process as a supervisor starts it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type EmbeddedRegistry, startRegistry } from '#dev/registry.ts';
import { createTable, openTable, type Table } from '#registry/table.ts';
import { listWorkers } from '#registry/workers.ts';
import { collect } from '../support/collect.ts';
import { temporaryFolder } from '../support/folder.ts';
import { generate, TOKEN } from './worker.ts';

const MAIN = fileURLToPath(new URL('../../container/main.ts', import.meta.url));

let registry: EmbeddedRegistry;
let table: Table;
let child: ChildProcess | undefined;

beforeEach(async () => {
  registry = await startRegistry();
  table = openTable({ table: 'sluice', endpoint: registry.endpoint });
  await createTable(table);
});

afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  table.documents.destroy();
  await registry.close();
});

function startWorker(env: NodeJS.ProcessEnv = {}): ChildProcess {
  child = fork(MAIN, {
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: {
      PATH: process.env.PATH,
      SLUICE_ENGINE: 'simulated',
      SLUICE_MODEL_ID: 'm',
      SLUICE_MODEL_VERSION: 'v1',
      SLUICE_CONTEXT: '512',
      SLUICE_WORKER_TOKEN: TOKEN,
      SLUICE_TABLE: 'sluice',
      SLUICE_REGISTRY_ENDPOINT: registry.endpoint,
      ...env,
    },
  });
  return child;
}

async function told(worker: ChildProcess, type: string): Promise<{ url: string; code: string; message: string }> {
  for (;;) {
    const [message] = await once(worker, 'message');
    if (message.type === type) return message;
  }
}

it('tells its supervisor and the registry that it serves', async () => {
  const { url } = await told(startWorker(), 'ready');
  const [listed] = await listWorkers(table);
  expect(listed).toMatchObject({ url, pool: 'primary', models: [{ model: 'm', version: 'v1', state: 'ready' }] });
  expect((await generate(url)).status).toBe(200);
});

it('finishes what runs when it is asked to end, and leaves the registry', async () => {
  const worker = startWorker({ SLUICE_SIMULATED_PASS_MS: '5' });
  const { url } = await told(worker, 'ready');
  const running = await generate(url, { maxTokens: 60 });
  await running.events.next();
  const gone = once(worker, 'exit');
  worker.kill('SIGTERM');
  await vi.waitFor(async () => expect((await listWorkers(table))[0]?.models[0]?.state).toBe('draining'));
  expect((await generate(url)).status).toBe(503);
  expect((await collect(running.events)).at(-1)).toMatchObject({ type: 'end', usage: { completionTokens: 60 } });
  expect(await gone).toEqual([0, null]);
  expect(await listWorkers(table)).toEqual([]);
});

it('ends when its supervisor is gone', async () => {
  const worker = startWorker();
  await told(worker, 'ready');
  const gone = once(worker, 'exit');
  worker.disconnect();
  expect((await gone)[0]).toBe(1);
});

it.each([
  ['a missing model', { SLUICE_ENGINE: 'native', SLUICE_MODEL_PATH: '/no/such.gguf' }, 'file_missing', /such\.gguf/],
  ['a wrong setting', { SLUICE_SLOTS: '0' }, 'invalid_configuration', /SLUICE_SLOTS/],
])('says what is wrong with %s, and ends', async (_, env, code, message) => {
  const worker = startWorker(env);
  const gone = once(worker, 'exit');
  expect(await told(worker, 'failed')).toMatchObject({ code, message: expect.stringMatching(message) });
  expect((await gone)[0]).toBe(1);
});

it('refuses a file that is no model', async () => {
  const path = join(temporaryFolder(), 'text.gguf');
  writeFileSync(path, 'hello');
  const failed = await told(startWorker({ SLUICE_ENGINE: 'native', SLUICE_MODEL_PATH: path }), 'failed');
  expect(failed.code).toBe('not_gguf');
});
