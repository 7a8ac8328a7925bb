/** Reading items: every one is checked against its schema, because other versions of this program write here too. */
import { paginateQuery, type QueryCommandInput } from '@aws-sdk/lib-dynamodb';
import type * as z from 'zod';
import { RegistryError } from './registry-error.ts';
import type { Table } from './table.ts';

export interface ItemKey {
  pk: string;
  sk: string;
}

/** @throws RegistryError `malformed_item` */
export function parseItem<Item>(schema: z.ZodType<Item>, key: ItemKey, raw: unknown): Item {
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const place = issue === undefined ? '' : `: ${issue.path.join('.')} ${issue.message}`;
  throw new RegistryError('malformed_item', `The registry's item ${key.pk} / ${key.sk} is malformed${place}`);
}

/**
 * All items under one partition key, read consistently.
 *
 * @throws RegistryError `malformed_item`
 */
export async function listItems<Item>(
  table: Table,
  schema: z.ZodType<Item>,
  pk: string,
  filter?: { expression: string; values: Record<string, unknown> },
): Promise<Item[]> {
  const query: QueryCommandInput = {
    TableName: table.name,
    ConsistentRead: true,
    KeyConditionExpression: 'pk = :pk',
    ExpressionAttributeValues: { ':pk': pk, ...filter?.values },
    ...(filter === undefined ? {} : { FilterExpression: filter.expression }),
  };
  const items: Item[] = [];
  for await (const page of paginateQuery({ client: table.documents }, query)) {
    for (const raw of page.Items ?? []) items.push(parseItem(schema, { pk, sk: String(raw.sk) }, raw));
  }
  return items;
}
