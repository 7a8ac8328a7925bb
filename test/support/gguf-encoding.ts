/** Encodes GGUF v3 files in memory: header, metadata, tensor infos, aligned tensor data. */

export type MetadataValue =
  | { type: 'u32' | 'i32'; value: number }
  | { type: 'f32'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'strings'; value: readonly string[] }
  | { type: 'i32s'; value: readonly number[] };

export interface EncodedTensor {
  name: string;
  /** Innermost dimension first, as ggml counts. */
  shape: readonly number[];
  /** ggml's type id; 0 is F32. */
  type: number;
  data: Uint8Array;
}

const ALIGNMENT = 32;
const TYPE_ID = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 };

export function encodeGguf(metadata: Record<string, MetadataValue>, tensors: readonly EncodedTensor[]): Buffer {
  const infos: Buffer[] = [];
  const data: Buffer[] = [];
  let offset = 0;
  for (const tensor of tensors) {
    infos.push(encodeTensorInfo(tensor, offset));
    const padded = pad(Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength));
    data.push(padded);
    offset += padded.length;
  }
  const entries = Object.entries(metadata).map(([key, value]) =>
    Buffer.concat([encodeString(key), encodeValue(value)]),
  );
  const header = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(entries.length), ...entries, ...infos];
  return Buffer.concat([pad(Buffer.concat(header)), ...data]);
}

export function f32Tensor(name: string, shape: readonly number[], values: Float32Array): EncodedTensor {
  return { name, shape, type: 0, data: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

function encodeTensorInfo(tensor: EncodedTensor, offset: number): Buffer {
  const shape = tensor.shape.map(u64);
  return Buffer.concat([encodeString(tensor.name), u32(shape.length), ...shape, u32(tensor.type), u64(offset)]);
}

function encodeValue(entry: MetadataValue): Buffer {
  switch (entry.type) {
    case 'u32':
      return Buffer.concat([u32(TYPE_ID.u32), u32(entry.value)]);
    case 'i32':
      return Buffer.concat([u32(TYPE_ID.i32), i32(entry.value)]);
    case 'f32':
      return Buffer.concat([u32(TYPE_ID.f32), f32(entry.value)]);
    case 'bool':
      return Buffer.concat([u32(TYPE_ID.bool), Buffer.from([entry.value ? 1 : 0])]);
    case 'string':
      return Buffer.concat([u32(TYPE_ID.string), encodeString(entry.value)]);
    case 'strings':
      return encodeArray(TYPE_ID.string, entry.value.map(encodeString));
    case 'i32s':
      return encodeArray(TYPE_ID.i32, entry.value.map(i32));
  }
}

function encodeArray(elementType: number, elements: readonly Buffer[]): Buffer {
  return Buffer.concat([u32(TYPE_ID.array), u32(elementType), u64(elements.length), ...elements]);
}

export function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

function pad(bytes: Buffer): Buffer {
  const missing = (ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT;
  return Buffer.concat([bytes, Buffer.alloc(missing)]);
}
