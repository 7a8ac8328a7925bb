import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startRegistry } from '#dev/registry.ts';
import { listModels, putReadyVersion } from '#registry/models.ts';
import { createTable, openTable } from '#registry/table.ts';
import { temporaryFolder } from '../support/folder.ts';

it('keeps its items over a restart', async () => {
  const path = join(temporaryFolder(), 'registry');
  await withRegistry(path, async (table) => {
    await createTable(table);
    await putReadyVersion(table, { model: 'm', version: 'v1', created: 1 });
  });
  await withRegistry(path, async (table) => {
    await createTable(table);
    expect(await listModels(table)).toHaveLength(1);
  });
});

it('refuses a folder that another living process uses, and names the process', async () => {
  const path = temporaryFolder();
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  writeFileSync(join(path, 'lock'), String(other.pid));
  await expect(startRegistry({ path })).rejects.toMatchObject({ name: 'LockHeldError', pid: other.pid });

  other.kill('SIGKILL');
  await once(other, 'exit');
  const registry = await startRegistry({ path });
  await expect(startRegistry({ path })).rejects.toMatchObject({ pid: process.pid });
  await registry.close();
});

it('listens on loopback only', async () => {
  const registry = await startRegistry();
  expect(registry.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  await registry.close();
});

async function withRegistry(path: string, use: (table: ReturnType<typeof openTable>) => Promise<void>): Promise<void> {
  const registry = await startRegistry({ path });
  const table = openTable({ table: 'sluice', endpoint: registry.endpoint });
  try {
    await use(table);
  } finally {
    table.documents.destroy();
    await registry.close();
  }
}
