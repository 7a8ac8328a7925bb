import { onTestFinished } from 'vitest';
import { startRegistry } from '#dev/registry.ts';
import { createTable, openTable, type Table } from '#registry/table.ts';

export interface TestRegistry {
  endpoint: string;
  table: Table;
}

/** An empty registry in memory for the running test. */
export async function emptyRegistry(): Promise<TestRegistry> {
  const registry = await startRegistry();
  const table = openTable({ table: 'sluice-test', endpoint: registry.endpoint });
  onTestFinished(async () => {
    table.documents.destroy();
    await registry.close();
  });
  await createTable(table);
  return { endpoint: registry.endpoint, table };
}
