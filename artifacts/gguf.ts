/** What a GGUF file says about itself, read from its header alone, so that a bad file is refused before loading. */
import { closeSync, fstatSync, openSync } from 'node:fs';
import { GgufError } from './gguf-error.ts';
import { HeaderCursor, truncated } from './header-cursor.ts';
import { type Metadata, readMetadata } from './metadata.ts';
import { readTensorExtent } from './tensor-infos.ts';

export interface GgufHeader {
  version: number;
  /** general.architecture. */
  architecture: string;
  /** general.name, or ''. */
  name: string;
  /** Tokens the model was trained for; undefined where the file does not say. */
  trainedContext: number | undefined;
  /** tokenizer.ggml.model, or ''. */
  tokenizer: string;
  /** Tokens of the vocabulary, 0 where the file has none. */
  vocabularySize: number;
  hasChatTemplate: boolean;
  /** Files the model is split into; 1 for a whole one. */
  splitCount: number;
  tensorCount: number;
  /** Bytes of this file's tensors. */
  tensorBytes: number;
  fileBytes: number;
  /** Scalars, strings and short arrays of numbers by key; long arrays have their length only. */
  metadata: Metadata;
}

const SUPPORTED_VERSIONS = [2, 3];
const DEFAULT_ALIGNMENT = 32;

/**
 * Reads and checks the header of a GGUF file; the tensor data is not read, only its size compared with the file's.
 *
 * @throws GgufError
 */
export function readGgufHeader(path: string): GgufHeader {
  const file = openFile(path);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new GgufError('not_gguf', `${path} is not a file`);
    return readHeader(new HeaderCursor(file, path, stat.size), path);
  } finally {
    closeSync(file);
  }
}

function openFile(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw new GgufError('file_missing', `${path} cannot be opened: ${reason}`, { cause: error });
  }
}

function readHeader(cursor: HeaderCursor, path: string): GgufHeader {
  if (cursor.fileBytes < 4 || cursor.bytes(4).toString('latin1') !== 'GGUF') {
    throw new GgufError('not_gguf', `${path} is not a GGUF file`);
  }
  const version = cursor.u32();
  if (!SUPPORTED_VERSIONS.includes(version)) {
    throw new GgufError('unsupported_version', `${path} has GGUF version ${version}; 2 and 3 are supported`);
  }
  const tensorCount = cursor.u64();
  const metadata = readMetadata(cursor, cursor.u64());
  const alignment = numberAt(metadata, 'general.alignment') ?? DEFAULT_ALIGNMENT;
  if (!isPowerOfTwo(alignment)) throw cursor.malformed(`its alignment is ${alignment}`);
  const tensors = readTensorExtent(cursor, tensorCount, alignment);

  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const expected = tensors.end === 0 ? cursor.position : dataStart + tensors.end;
  if (cursor.fileBytes < expected) throw truncated(path, expected, cursor.fileBytes);

  const architecture = textAt(metadata, 'general.architecture');
  if (architecture === undefined) throw cursor.malformed('it does not name its architecture');
  return {
    version,
    architecture,
    name: textAt(metadata, 'general.name') ?? '',
    trainedContext: numberAt(metadata, `${architecture}.context_length`),
    tokenizer: textAt(metadata, 'tokenizer.ggml.model') ?? '',
    vocabularySize: lengthAt(metadata, 'tokenizer.ggml.tokens'),
    hasChatTemplate: textAt(metadata, 'tokenizer.chat_template') !== undefined,
    splitCount: Math.max(1, numberAt(metadata, 'split.count') ?? 1),
    tensorCount: tensors.count,
    tensorBytes: tensors.bytes,
    fileBytes: cursor.fileBytes,
    metadata,
  };
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}

function numberAt(metadata: Metadata, key: string): number | undefined {
  const value = metadata.get(key);
  return typeof value === 'number' ? value : undefined;
}

function textAt(metadata: Metadata, key: string): string | undefined {
  const value = metadata.get(key);
  return typeof value === 'string' ? value : undefined;
}

function lengthAt(metadata: Metadata, key: string): number {
  const value = metadata.get(key);
  return typeof value === 'object' ? value.length : 0;
}
