/** Workers: one item each, overwritten with every heartbeat. */
import { DeleteCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { WorkerItem } from '#contract/registry.ts';
import { listItems } from './items.ts';
import type { Table } from './table.ts';

const PARTITION = 'WORKER';

export async function heartbeat(table: Table, worker: WorkerItem): Promise<void> {
  const ttl = Math.ceil(worker.expires / 1000);
  const item = { pk: PARTITION, sk: worker.id, ttl, ...worker };
  await table.documents.send(new PutCommand({ TableName: table.name, Item: item }));
}

/** Does nothing where there is no such worker. */
export async function removeWorker(table: Table, id: string): Promise<void> {
  await table.documents.send(new DeleteCommand({ TableName: table.name, Key: { pk: PARTITION, sk: id } }));
}

/**
 * Workers whose heartbeat has not expired. DynamoDB deletes expired items days late, so they are filtered here.
 *
 * @throws RegistryError `malformed_item`
 */
export function listWorkers(table: Table): Promise<WorkerItem[]> {
  return listItems(table, WorkerItem, PARTITION, { expression: 'expires > :now', values: { ':now': Date.now() } });
}
