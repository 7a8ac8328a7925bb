import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { counted } from './counted.ts';
import type { Progress } from './progress.ts';

/** The archive is damaged, of a kind we do not read, or lacks the entry. */
export class ZipError extends Error {
  override name = 'ZipError';
}

interface Entry {
  method: number;
  compressedBytes: number;
  bytes: number;
  headerOffset: number;
}

const END_OF_DIRECTORY = 0x06054b50;
const END_OF_DIRECTORY_BYTES = 22;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_END_BYTES = 56;
const ZIP64_FIELD = 0x0001;
const DIRECTORY_ENTRY = 0x02014b50;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const LONGEST_COMMENT = 0xffff;
/** A 32-bit field with this value has its real one in the zip64 field. */
const IN_ZIP64 = 0xffffffff;
const STORED = 0;
const DEFLATED = 8;

/**
 * Writes one entry of a zip archive to a file, streaming. Reads zip64; neither encrypted nor multi-part archives.
 * The caller checks the content.
 * @throws {ZipError}
 */
export async function extractEntry(
  archive: string,
  name: string,
  path: string,
  { progress, label, signal }: { progress: Progress; label: string; signal?: AbortSignal | undefined },
): Promise<void> {
  const file = await open(archive);
  try {
    const entry = findEntry(await readDirectory(file), name);
    if (entry.method !== STORED && entry.method !== DEFLATED) {
      throw new ZipError(`${name} is compressed by method ${entry.method}, which is not supported`);
    }
    const start = await findContent(file, entry);
    progress.start(label, entry.bytes, 0);
    await pipeline(
      createReadStream(archive, { start, end: start + entry.compressedBytes - 1 }),
      entry.method === DEFLATED ? createInflateRaw() : new PassThrough(),
      counted(progress),
      createWriteStream(path),
      { signal },
    );
  } finally {
    await file.close();
  }
}

async function readDirectory(file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat();
  const tailOffset = Math.max(0, size - END_OF_DIRECTORY_BYTES - LONGEST_COMMENT - ZIP64_LOCATOR_BYTES);
  const tail = await readAt(file, tailOffset, size - tailOffset);
  const end = findLast(tail, END_OF_DIRECTORY);
  if (end === -1) throw new ZipError('no zip directory at the end of the file');
  const locator = end - ZIP64_LOCATOR_BYTES;
  if (locator >= 0 && tail.readUInt32LE(locator) === ZIP64_LOCATOR) {
    const zip64End = await readAt(file, Number(tail.readBigUInt64LE(locator + 8)), ZIP64_END_BYTES);
    return readAt(file, Number(zip64End.readBigUInt64LE(48)), Number(zip64End.readBigUInt64LE(40)));
  }
  return readAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
}

function findLast(buffer: Buffer, signature: number): number {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(signature);
  return buffer.lastIndexOf(bytes);
}

function findEntry(directory: Buffer, name: string): Entry {
  let offset = 0;
  while (offset + DIRECTORY_ENTRY_BYTES <= directory.length && directory.readUInt32LE(offset) === DIRECTORY_ENTRY) {
    const nameEnd = offset + DIRECTORY_ENTRY_BYTES + directory.readUInt16LE(offset + 28);
    const extraEnd = nameEnd + directory.readUInt16LE(offset + 30);
    if (directory.toString('utf8', offset + DIRECTORY_ENTRY_BYTES, nameEnd) === name) {
      return readEntry(directory.subarray(offset), directory.subarray(nameEnd, extraEnd));
    }
    offset = extraEnd + directory.readUInt16LE(offset + 32);
  }
  throw new ZipError(`${name} is not in the archive`);
}

/** Sizes and offset; those that do not fit 32 bits stand in the zip64 field, in this order, and only those. */
function readEntry(fixed: Buffer, extra: Buffer): Entry {
  const zip64 = findExtraField(extra, ZIP64_FIELD);
  let position = 0;
  const read = (offset: number) => {
    const value = fixed.readUInt32LE(offset);
    if (value !== IN_ZIP64) return value;
    const wide = Number(zip64.readBigUInt64LE(position));
    position += 8;
    return wide;
  };
  const bytes = read(24);
  const compressedBytes = read(20);
  const headerOffset = read(42);
  return { method: fixed.readUInt16LE(10), bytes, compressedBytes, headerOffset };
}

function findExtraField(extra: Buffer, wanted: number): Buffer {
  let offset = 0;
  while (offset + 4 <= extra.length) {
    const end = offset + 4 + extra.readUInt16LE(offset + 2);
    if (extra.readUInt16LE(offset) === wanted) return extra.subarray(offset + 4, end);
    offset = end;
  }
  return Buffer.alloc(0);
}

async function findContent(file: FileHandle, { headerOffset }: Entry): Promise<number> {
  const header = await readAt(file, headerOffset, LOCAL_HEADER_BYTES);
  if (header.readUInt32LE(0) !== LOCAL_HEADER) throw new ZipError('the archive is damaged: no header at the entry');
  return headerOffset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead < length) throw new ZipError('the archive is cut off');
  return buffer;
}
