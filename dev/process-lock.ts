/** A file that says which process uses a folder. */
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

/** Another living process holds the lock. */
export class LockHeldError extends Error {
  readonly pid: number;

  constructor(pid: number, file: string) {
    super(`process ${pid} holds ${file}`);
    this.name = 'LockHeldError';
    this.pid = pid;
  }
}

export interface ProcessLock {
  release(): void;
}

/**
 * Takes the lock, also from a process that died without releasing it.
 *
 * @throws LockHeldError
 */
export function takeProcessLock(file: string): ProcessLock {
  while (!createWithOwnPid(file)) {
    const holder = readHolder(file);
    if (holder !== undefined && isAlive(holder)) throw new LockHeldError(holder, file);
    rmSync(file, { force: true });
  }
  return { release: () => rmSync(file, { force: true }) };
}

/** The file appears with its content in one step, so nobody ever reads it empty. */
function createWithOwnPid(file: string): boolean {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, String(process.pid));
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft);
  }
}

/** undefined where the file is gone by now, or names no process. */
function readHolder(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8'));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
