import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const HEARTBEAT_MS = 2_000;
/** A holder that has not been heard of for this long is gone, wherever it ran. */
const STALE_MS = 15_000;
const POLL_MS = 200;

export interface LockOptions {
  /** Called once when somebody else holds the lock. */
  onWait: () => void;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while no other process that shares the file system runs work under the same lock file. The lock of a
 * process that was killed is broken: at once on the same machine, elsewhere when its heartbeat stops.
 */
export async function withLock<T>(path: string, { onWait, signal }: LockOptions, work: () => Promise<T>): Promise<T> {
  let hasWaited = false;
  while (!(await takeLock(path))) {
    if (await isHolderGone(path)) {
      await breakLock(path);
      continue;
    }
    if (!hasWaited) onWait();
    hasWaited = true;
    await sleep(POLL_MS, undefined, { signal });
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch((error: Error) => process.emitWarning(`${path}: ${error.message}`));
  }, HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    await rm(path, { force: true });
  }
}

async function takeLock(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid} ${hostname()}`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function isHolderGone(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    const [pid = '', host] = (await readFile(path, 'utf8')).split(' ');
    return Date.now() - mtimeMs > STALE_MS || (host === hostname() && !isRunning(Number(pid)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Moved away first: of several processes that find the lock abandoned, one moves it and the others find it gone. */
async function breakLock(path: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  try {
    await rename(path, aside);
    await rm(aside, { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
