import { once } from 'node:events';
import { createServer } from 'node:net';
import { SetupError } from './toolchain.mjs';

/**
 * Tells early what would stop the gateway only after the model is loaded.
 * @throws {SetupError} where nothing can listen there
 */
export async function requirePort(host: string, port: number): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(port, host);
    await once(probe, 'listening');
  } catch (error) {
    throw new SetupError(explain(error as NodeJS.ErrnoException, host, port), { cause: error });
  }
  probe.close();
  await once(probe, 'close');
}

function explain({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === 'EADDRINUSE') return `Port ${port} of ${host} is taken: end what uses it, or choose another with --port`;
  if (code === 'EACCES') return `Port ${port} may not be used without more rights: choose another with --port`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `${host} is not an address of this machine (--host)`;
  return `Cannot listen on ${host}, port ${port}: ${message}`;
}
