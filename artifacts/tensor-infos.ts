/** The tensor section of a GGUF header: how many tensors there are and how far their data reaches. */
import { ggmlType } from './ggml-types.ts';
import type { HeaderCursor } from './header-cursor.ts';

export interface TensorExtent {
  count: number;
  /** Bytes of all tensors, without padding. */
  bytes: number;
  /** Where the last tensor ends, counted from the start of the data section. */
  end: number;
}

const MAX_TENSORS = 1_000_000;
const MAX_NAME_BYTES = 64;
const MAX_DIMENSIONS = 4;

/** @param alignment every tensor's data begins at a multiple of it */
export function readTensorExtent(cursor: HeaderCursor, count: number, alignment: number): TensorExtent {
  if (count > MAX_TENSORS) throw cursor.malformed(`${count} tensors are more than ${MAX_TENSORS}`);
  let bytes = 0;
  let end = 0;
  for (let tensor = 0; tensor < count; tensor += 1) {
    const name = cursor.string(MAX_NAME_BYTES);
    const tensorBytes = readTensorBytes(cursor, name);
    const offset = cursor.u64();
    if (offset % alignment !== 0) throw cursor.malformed(`tensor ${name} is not aligned to ${alignment} bytes`);
    bytes += tensorBytes;
    end = Math.max(end, offset + tensorBytes);
  }
  return { count, bytes, end };
}

function readTensorBytes(cursor: HeaderCursor, name: string): number {
  const dimensions = cursor.u32();
  if (dimensions > MAX_DIMENSIONS) throw cursor.malformed(`tensor ${name} has ${dimensions} dimensions`);
  const shape: number[] = [];
  for (let dimension = 0; dimension < dimensions; dimension += 1) shape.push(cursor.u64());
  const typeId = cursor.u32();
  const type = ggmlType(typeId);
  if (type === undefined) throw cursor.malformed(`tensor ${name} has the unknown type ${typeId}`);
  if ((shape[0] ?? 1) % type.blockElements !== 0) {
    throw cursor.malformed(`tensor ${name} has rows that are not whole blocks of ${type.name}`);
  }
  const elements = shape.reduce((product, extent) => product * extent, 1);
  const bytes = (elements / type.blockElements) * type.blockBytes;
  if (!Number.isSafeInteger(bytes)) throw cursor.malformed(`tensor ${name} is too large`);
  return bytes;
}
