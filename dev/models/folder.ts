import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { counted } from './counted.ts';
import { FetchError, removeFile, requireSpace, type Source } from './source.ts';

/** A folder with model files, as `owner/repo/file` or by the file's name alone. */
export function folderSource(folder: string): Source {
  return {
    name: `the mirror folder ${folder}`,
    ending: 'copy',
    offers: () => true,
    discard: removeFile,
    async fetch({ repo, file }, path, { progress, signal }) {
      const found = await findFirst([join(folder, repo, file), join(folder, basename(file))]);
      if (!found) throw new FetchError('unavailable', `${basename(file)} is not in ${folder}`);
      await requireSpace(path, found.bytes);
      progress.start(`Copying ${basename(file)}`, found.bytes, 0);
      await pipeline(createReadStream(found.path), counted(progress), createWriteStream(path), { signal });
      return {};
    },
  };
}

async function findFirst(candidates: readonly string[]): Promise<{ path: string; bytes: number } | undefined> {
  for (const path of candidates) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
      throw new FetchError('unavailable', error.message, { cause: error });
    });
    if (found?.isFile()) return { path, bytes: found.size };
  }
  return undefined;
}
