import { rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { WantedFile } from './catalogue.ts';
import type { Progress } from './progress.ts';

/** Somewhere a model file can come from. */
export interface Source {
  /** For messages: "the hub". */
  readonly name: string;
  /** Ending of its unfinished files; each source continues only its own. */
  readonly ending: string;
  /** Whether it is worth asking for this file. */
  offers(wanted: WantedFile): boolean;
  /**
   * Writes the whole file to `path`. Resolves with the sha256 that the source itself claims, if it does.
   * @throws {FetchError}
   */
  fetch(wanted: WantedFile, path: string, tools: FetchTools): Promise<{ sha256?: string }>;
  /** Removes what a fetch has left at `path`, and its own notes about it. */
  discard(path: string): Promise<void>;
}

export interface FetchTools {
  progress: Progress;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** `unavailable`: another source may have it. `no_space`: no other source would help. */
export type FetchErrorCode = 'unavailable' | 'no_space';

/** A file could not be fetched; the message is one line for the terminal. */
export class FetchError extends Error {
  readonly code: FetchErrorCode;
  constructor(code: FetchErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'FetchError';
    this.code = code;
  }
}

/** @throws {FetchError} `no_space` where the file system of `path` has less than `bytes` left */
export async function requireSpace(path: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  const free = bavail * bsize;
  if (free < bytes) {
    throw new FetchError('no_space', `${dirname(path)} has ${megabytes(free)} free, ${megabytes(bytes)} are needed`);
  }
}

export const removeFile = (path: string): Promise<void> => rm(path, { force: true });

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
