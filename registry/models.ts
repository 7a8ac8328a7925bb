/** Models: one item each, which holds all that must be true of a model at the same time. */

import { setTimeout as sleep } from 'node:timers/promises';
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { DeleteCommand, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import { ModelItem } from '#contract/registry.ts';
import { type ItemKey, listItems, parseItem } from './items.ts';
import { RegistryError } from './registry-error.ts';
import type { Table } from './table.ts';

const PARTITION = 'MODEL';

const MAX_WRITE_ATTEMPTS = 40;
const FIRST_PAUSE_MS = 4;
const LONGEST_PAUSE_MS = 250;

/** @throws RegistryError `malformed_item` */
export function listModels(table: Table): Promise<ModelItem[]> {
  return listItems(table, ModelItem, PARTITION);
}

/** @throws RegistryError `malformed_item` */
export async function getModel(table: Table, id: string): Promise<ModelItem | undefined> {
  const key = keyOf(id);
  const command = new GetCommand({ TableName: table.name, Key: key, ConsistentRead: true });
  const { Item } = await table.documents.send(command);
  return Item === undefined ? undefined : parseItem(ModelItem, key, Item);
}

export interface ReadyVersion {
  model: string;
  version: string;
  /** Unix seconds; the model's own if this is its first version. */
  created: number;
}

/**
 * Makes a version, new or known, ready and the stable one of its model, and returns the model. Writes nothing where
 * that is so already.
 *
 * @throws RegistryError `write_conflict`, `malformed_item`
 */
export function putReadyVersion(table: Table, { model: id, version, created }: ReadyVersion): Promise<ModelItem> {
  return changeModel(table, id, (model) => {
    if (model?.route.stable === version && model.versions[version]?.state === 'ready') return model;
    return {
      id,
      revision: (model?.revision ?? 0) + 1,
      route: { stable: version },
      versions: { ...model?.versions, [version]: { state: 'ready' } },
      created: model?.created ?? created,
    };
  });
}

/** Does nothing where there is no such model. */
export async function removeModel(table: Table, id: string): Promise<void> {
  await table.documents.send(new DeleteCommand({ TableName: table.name, Key: keyOf(id) }));
}

/** Reads, changes and writes until no one else has written in between. A change returns its argument to keep it. */
async function changeModel(
  table: Table,
  id: string,
  change: (model: ModelItem | undefined) => ModelItem,
): Promise<ModelItem> {
  for (let attempt = 0; attempt < MAX_WRITE_ATTEMPTS; attempt += 1) {
    const model = await getModel(table, id);
    const changed = change(model);
    if (changed === model) return changed;
    if (await writeIfUnchanged(table, changed, model?.revision)) return changed;
    await sleep(Math.random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));
  }
  throw new RegistryError('write_conflict', `Model ${id} was changed by others ${MAX_WRITE_ATTEMPTS} times in a row`);
}

/** @returns false where the item no longer has `revision`, or exists although `revision` is undefined */
async function writeIfUnchanged(table: Table, model: ModelItem, revision: number | undefined): Promise<boolean> {
  const condition =
    revision === undefined
      ? { ConditionExpression: 'attribute_not_exists(pk)' }
      : { ConditionExpression: 'revision = :revision', ExpressionAttributeValues: { ':revision': revision } };
  const command = new PutCommand({ TableName: table.name, Item: { ...keyOf(model.id), ...model }, ...condition });
  try {
    await table.documents.send(command);
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}

function keyOf(id: string): ItemKey {
  return { pk: PARTITION, sk: id };
}
