/** The registry of one `npm start`: the data folder's, holding exactly what this start serves. */
import { join } from 'node:path';
import { listModels, putReadyVersion, removeModel } from '#registry/models.ts';
import { createTable, openTable } from '#registry/table.ts';
import { listWorkers, removeWorker } from '#registry/workers.ts';
import { LockHeldError } from './process-lock.ts';
import { type EmbeddedRegistry, startRegistry } from './registry.ts';
import { SetupError } from './toolchain.mjs';

export const TABLE = 'sluice';

export interface ServedVersion {
  id: string;
  version: string;
}

/**
 * @param folder data folder; it is kept between starts
 * @throws {SetupError} where another Sluice uses the folder
 */
export async function openLocalRegistry(folder: string, served: readonly ServedVersion[]): Promise<EmbeddedRegistry> {
  const registry = await lockAndStart(folder);
  try {
    await registerExactly(registry.endpoint, served);
    return registry;
  } catch (error) {
    await registry.close();
    throw error;
  }
}

async function lockAndStart(folder: string): Promise<EmbeddedRegistry> {
  try {
    return await startRegistry({ path: join(folder, 'registry') });
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw error;
    const message = `Another Sluice (process ${error.pid}) uses the data folder ${folder}: end it, or set SLUICE_DATA to another folder`;
    throw new SetupError(message, { cause: error });
  }
}

/** Models of earlier starts are gone, and workers that an earlier start left behind when it was killed. */
async function registerExactly(endpoint: string, served: readonly ServedVersion[]): Promise<void> {
  const table = openTable({ table: TABLE, endpoint });
  await createTable(table);
  const isServed = (id: string) => served.some((each) => each.id === id);
  const [models, workers] = await Promise.all([listModels(table), listWorkers(table)]);
  const created = Math.floor(Date.now() / 1000);
  await Promise.all([
    ...models.filter(({ id }) => !isServed(id)).map(({ id }) => removeModel(table, id)),
    ...workers.map(({ id }) => removeWorker(table, id)),
    ...served.map(({ id, version }) => putReadyVersion(table, { model: id, version, created })),
  ]);
  table.documents.destroy();
}
