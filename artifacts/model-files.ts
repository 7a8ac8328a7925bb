/** A model's files: one, or the parts that llama.cpp's gguf-split makes (`name-00001-of-00003.gguf`). */
import { type GgufHeader, readGgufHeader } from './gguf.ts';
import { GgufError } from './gguf-error.ts';

const PART_NAME = /-00001-of-(\d{5})\.gguf$/;
const MAX_PARTS = 1_000;

/**
 * Headers of all files of the model whose first or only file is at `path`, each checked.
 *
 * @throws GgufError
 */
export function readModelHeaders(path: string): GgufHeader[] {
  const first = readGgufHeader(path);
  return [first, ...laterPartPaths(path, first.splitCount).map(readGgufHeader)];
}

function laterPartPaths(path: string, count: number): string[] {
  if (count === 1) return [];
  if (count > MAX_PARTS || Number(PART_NAME.exec(path)?.[1]) !== count) {
    const message = `${path} is one of ${count} parts; name the first one, …-00001-of-${fiveDigits(count)}.gguf`;
    throw new GgufError('malformed', message);
  }
  return Array.from({ length: count - 1 }, (_, at) =>
    path.replace(PART_NAME, `-${fiveDigits(at + 2)}-of-${fiveDigits(count)}.gguf`),
  );
}

function fiveDigits(part: number): string {
  return String(part).padStart(5, '0');
}
