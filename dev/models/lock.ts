import { setTimeout as sleep } from 'node:timers/promises';
import { LockHeldError, type ProcessLock, takeProcessLock } from '../process-lock.ts';

const POLL_MS = 200;

export interface LockOptions {
  /** Called once when another process holds the lock. */
  onWait: (holder: LockHeldError) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while no other process runs work under the same lock file.
 * @throws what `work` throws, and the signal's reason
 */
export async function withLock<T>(path: string, { onWait, signal }: LockOptions, work: () => Promise<T>): Promise<T> {
  let lock = tryLock(path);
  if (lock instanceof LockHeldError) onWait(lock);
  while (lock instanceof LockHeldError) {
    await sleep(POLL_MS, undefined, { signal });
    lock = tryLock(path);
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}

function tryLock(path: string): ProcessLock | LockHeldError {
  try {
    return takeProcessLock(path);
  } catch (error) {
    if (error instanceof LockHeldError) return error;
    throw error;
  }
}
