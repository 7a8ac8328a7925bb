/** The metadata section of a GGUF header, in bounded memory: long arrays are counted, not kept. */
import type { HeaderCursor } from './header-cursor.ts';

export interface KeptArray {
  length: number;
  /** The elements of short arrays of numbers, nothing otherwise. */
  numbers: readonly number[];
}

export type MetadataValue = number | boolean | string | KeptArray;
export type Metadata = ReadonlyMap<string, MetadataValue>;

const MAX_ENTRIES = 16_384;
/** llama.cpp's own bound on keys is the tensor names' 64 bytes; a few keys in use are longer. */
const MAX_KEY_BYTES = 1_024;
const MAX_STRING_BYTES = 4 * 1024 * 1024;
/** Long enough for one number per layer. */
const MAX_KEPT_ELEMENTS = 1_024;
const MAX_ARRAY_ELEMENTS = 16_000_000;
/** All strings together, so that many large ones cannot exhaust memory. */
const MAX_KEPT_BYTES = 32 * 1024 * 1024;

const STRING = 8;
const ARRAY = 9;

interface Scalar {
  bytes: number;
  read: (from: Buffer) => number | boolean;
}

const SCALARS: ReadonlyMap<number, Scalar> = new Map([
  [0, { bytes: 1, read: (from) => from.readUInt8() }],
  [1, { bytes: 1, read: (from) => from.readInt8() }],
  [2, { bytes: 2, read: (from) => from.readUInt16LE() }],
  [3, { bytes: 2, read: (from) => from.readInt16LE() }],
  [4, { bytes: 4, read: (from) => from.readUInt32LE() }],
  [5, { bytes: 4, read: (from) => from.readInt32LE() }],
  [6, { bytes: 4, read: (from) => from.readFloatLE() }],
  [7, { bytes: 1, read: (from) => from.readUInt8() !== 0 }],
  [10, { bytes: 8, read: (from) => Number(from.readBigUInt64LE()) }],
  [11, { bytes: 8, read: (from) => Number(from.readBigInt64LE()) }],
  [12, { bytes: 8, read: (from) => from.readDoubleLE() }],
] satisfies [number, Scalar][]);

export function readMetadata(cursor: HeaderCursor, entries: number): Metadata {
  if (entries > MAX_ENTRIES) throw cursor.malformed(`${entries} metadata entries are more than ${MAX_ENTRIES}`);
  const metadata = new Map<string, MetadataValue>();
  let keptBytes = 0;
  for (let entry = 0; entry < entries; entry += 1) {
    const key = cursor.string(MAX_KEY_BYTES);
    if (key === '' || metadata.has(key)) throw cursor.malformed(`metadata entry ${entry} has an empty or repeated key`);
    const value = readValue(cursor, cursor.u32());
    if (typeof value === 'string') keptBytes += value.length;
    if (keptBytes > MAX_KEPT_BYTES) throw cursor.malformed('its metadata is too large');
    metadata.set(key, value);
  }
  return metadata;
}

function readValue(cursor: HeaderCursor, type: number): MetadataValue {
  if (type === STRING) return cursor.string(MAX_STRING_BYTES);
  if (type === ARRAY) return readArray(cursor);
  const scalar = requireScalar(cursor, type);
  return scalar.read(cursor.bytes(scalar.bytes));
}

function readArray(cursor: HeaderCursor): KeptArray {
  const elementType = cursor.u32();
  const length = cursor.u64();
  if (length > MAX_ARRAY_ELEMENTS) throw cursor.malformed(`an array of ${length} elements is too long`);
  if (elementType === STRING) {
    for (let element = 0; element < length; element += 1) cursor.skip(cursor.u64());
    return { length, numbers: [] };
  }
  const scalar = requireScalar(cursor, elementType);
  if (length > MAX_KEPT_ELEMENTS) {
    cursor.skip(length * scalar.bytes);
    return { length, numbers: [] };
  }
  const elements = cursor.bytes(length * scalar.bytes);
  const numbers = Array.from({ length }, (_, at) => Number(scalar.read(elements.subarray(at * scalar.bytes))));
  return { length, numbers };
}

function requireScalar(cursor: HeaderCursor, type: number): Scalar {
  const scalar = SCALARS.get(type);
  if (scalar === undefined) throw cursor.malformed(`${type} is not a metadata type`);
  return scalar;
}
