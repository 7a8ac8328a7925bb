/** An embedded registry: dynalite in this process, in DynamoDB's place. */
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import dynalite from 'dynalite';
import { type ProcessLock, takeProcessLock } from './process-lock.ts';

export interface EmbeddedRegistry {
  /** Base URL for `openTable`. */
  endpoint: string;
  close(): Promise<void>;
}

/**
 * @param options.path folder of the data; without it they live in memory and end with the process
 * @throws LockHeldError where another process uses the folder: dynalite itself would crash on its first request
 */
export async function startRegistry({ path }: { path?: string } = {}): Promise<EmbeddedRegistry> {
  const lock = path === undefined ? undefined : lockFolder(path);
  const server = dynalite({
    ...(path === undefined ? {} : { path: join(path, 'data') }),
    createTableMs: 0,
    deleteTableMs: 0,
    updateTableMs: 0,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise<void>((resolve, reject) => {
        server.close((error) => (error === undefined || error === null ? resolve() : reject(error)));
      });
      server.closeAllConnections();
      await closed;
      lock?.release();
    },
  };
}

function lockFolder(path: string): ProcessLock {
  mkdirSync(path, { recursive: true });
  return takeProcessLock(join(path, 'lock'));
}
