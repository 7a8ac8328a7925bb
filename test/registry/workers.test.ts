import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { expect, it } from 'vitest';
import type { WorkerItem } from '#contract/registry.ts';
import { heartbeat, listWorkers, removeWorker } from '#registry/workers.ts';
import { emptyRegistry } from '../support/registry.ts';

function worker(id: string, change: Partial<WorkerItem> = {}): WorkerItem {
  return {
    id,
    pool: 'primary',
    url: 'http://127.0.0.1:1',
    engine: 'simulated',
    models: [],
    load: { running: 0, queued: 0, kvShare: 0.25, tokensPerSecond: 12.5 },
    prefixKeys: [],
    expires: Date.now() + 60_000,
    ...change,
  };
}

it('lists what was last heard of each worker', async () => {
  const { table } = await emptyRegistry();
  await heartbeat(table, worker('a', { pool: 'old' }));
  await heartbeat(table, worker('a', { pool: 'new' }));
  await heartbeat(table, worker('b'));
  const workers = await listWorkers(table);
  expect(workers.map(({ id, pool }) => [id, pool])).toEqual([
    ['a', 'new'],
    ['b', 'primary'],
  ]);
  expect(workers[0]?.load).toEqual(worker('a').load);
});

it('leaves out a worker once its heartbeat has expired', async () => {
  const { table } = await emptyRegistry();
  await heartbeat(table, worker('gone', { expires: Date.now() - 1 }));
  await heartbeat(table, worker('here'));
  expect((await listWorkers(table)).map(({ id }) => id)).toEqual(['here']);
});

it('forgets a worker that was removed, and minds not if it never was', async () => {
  const { table } = await emptyRegistry();
  await heartbeat(table, worker('a'));
  await removeWorker(table, 'a');
  await removeWorker(table, 'a');
  expect(await listWorkers(table)).toEqual([]);
});

it('names the key of a malformed item', async () => {
  const { table } = await emptyRegistry();
  const item = { pk: 'WORKER', sk: 'bad', expires: Date.now() + 60_000 };
  await table.documents.send(new PutCommand({ TableName: table.name, Item: item }));
  const refusal = { code: 'malformed_item', message: expect.stringContaining('WORKER / bad') };
  await expect(listWorkers(table)).rejects.toMatchObject(refusal);
});

it('reads lists longer than one page', async () => {
  const { table } = await emptyRegistry();
  const prefixKeys = Array.from({ length: 2_000 }, (_, number) => `${number}`.padStart(100, '0'));
  await Promise.all(Array.from({ length: 8 }, (_, number) => heartbeat(table, worker(`w${number}`, { prefixKeys }))));
  expect(await listWorkers(table)).toHaveLength(8);
});
