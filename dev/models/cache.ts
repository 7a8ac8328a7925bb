import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { WantedFile } from './catalogue.ts';
import { withLock } from './lock.ts';
import { FetchError, type FetchTools, type Source } from './source.ts';

/** A model file on this machine. */
export interface LocalFile {
  path: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
}

type FileRecord = Omit<LocalFile, 'path'>;

/**
 * The file in the cache, fetched from the first source that has it where it is not there yet. A file is in the cache
 * only once it is whole and checked.
 * @throws {FetchError} with what each source said
 */
export async function ensureCached(
  wanted: WantedFile,
  { folder, sources, tools }: { folder: string; sources: readonly Source[]; tools: FetchTools },
): Promise<LocalFile> {
  const path = join(folder, wanted.repo, wanted.revision, wanted.file);
  const present = await findCached(path, wanted);
  if (present) return present;
  await mkdir(dirname(path), { recursive: true });
  const onWait = ({ pid }: { pid: number }) =>
    tools.log(`Process ${pid} is fetching ${basename(path)}; waiting for it`);
  return withLock(`${path}.lock`, { onWait, signal: tools.signal }, async () => {
    return (await findCached(path, wanted)) ?? (await fetchFromAny(wanted, path, sources, tools));
  });
}

async function fetchFromAny(
  wanted: WantedFile,
  path: string,
  sources: readonly Source[],
  tools: FetchTools,
): Promise<LocalFile> {
  const offering = sources.filter((source) => source.offers(wanted));
  const failures: string[] = [];
  for (const source of offering) {
    const part = `${path}.${source.ending}`;
    try {
      const claimed = await source.fetch(wanted, part, tools);
      const record = await describe(part);
      const expected = wanted.sha256 ?? claimed.sha256;
      if (expected !== undefined && record.sha256 !== expected) {
        await source.discard(part);
        const message = `wrong checksum (sha256 ${record.sha256}, expected ${expected}); the file was deleted`;
        throw new FetchError('unavailable', message);
      }
      await writeFile(recordPath(path), JSON.stringify(record));
      await rename(part, path);
      await Promise.all(offering.map((each) => each.discard(`${path}.${each.ending}`)));
      return { path, ...record };
    } catch (error) {
      if (!(error instanceof FetchError)) throw error;
      if (error.code === 'no_space') throw error;
      failures.push(`${source.name}: ${error.message}`);
      tools.log(`Not from ${source.name}: ${error.message}`);
    }
  }
  throw new FetchError('unavailable', `${basename(path)} cannot be fetched. ${failures.join('. ')}`);
}

async function describe(path: string): Promise<FileRecord> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex') };
}

async function findCached(path: string, { sha256 }: WantedFile): Promise<LocalFile | undefined> {
  try {
    const record = JSON.parse(await readFile(recordPath(path), 'utf8')) as FileRecord;
    const { size } = await stat(path);
    const isWhole = size === record.bytes && (sha256 === undefined || sha256 === record.sha256);
    return isWhole ? { path, ...record } : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const recordPath = (path: string) => `${path}.json`;
