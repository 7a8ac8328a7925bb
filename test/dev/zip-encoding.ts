import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipEntry {
  name: string;
  content: Buffer;
  method?: 'stored' | 'deflated';
  /** Sizes and offset go into the zip64 field. */
  isZip64?: boolean;
}

const NOT_HERE = 0xffffffff;

/** A zip archive of these files, in this order. */
export function encodeZip(entries: readonly ZipEntry[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  for (const entry of entries) {
    const offset = files.reduce((sum, { length }) => sum + length, 0);
    const data = entry.method === 'stored' ? entry.content : deflateRawSync(entry.content);
    const fields = {
      name: Buffer.from(entry.name),
      method: entry.method === 'stored' ? 0 : 8,
      crc: crc32(entry.content),
      bytes: entry.content.length,
      compressed: data.length,
      offset,
      isZip64: entry.isZip64 ?? false,
    };
    files.push(localHeader(fields), data);
    directory.push(directoryEntry(fields));
  }
  const body = Buffer.concat(files);
  const list = Buffer.concat(directory);
  return Buffer.concat([body, list, endOfDirectory(entries.length, list.length, body.length)]);
}

interface Fields {
  name: Buffer;
  method: number;
  crc: number;
  bytes: number;
  compressed: number;
  offset: number;
  isZip64: boolean;
}

function localHeader({ name, method, crc, bytes, compressed }: Fields): Buffer {
  // An extra field that only the local header has: readers must not take its length from the directory.
  const extra = Buffer.from([0xfe, 0xca, 2, 0, 1, 2]);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(method, 8);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(compressed, 18);
  header.writeUInt32LE(bytes, 22);
  header.writeUInt16LE(name.length, 26);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, name, extra]);
}

function directoryEntry({ name, method, crc, bytes, compressed, offset, isZip64 }: Fields): Buffer {
  const extra = Buffer.alloc(isZip64 ? 28 : 0);
  if (isZip64) {
    extra.writeUInt16LE(0x0001, 0);
    extra.writeUInt16LE(24, 2);
    for (const [index, value] of [bytes, compressed, offset].entries()) {
      extra.writeBigUInt64LE(BigInt(value), 4 + index * 8);
    }
  }
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(method, 10);
  entry.writeUInt32LE(crc, 16);
  entry.writeUInt32LE(isZip64 ? NOT_HERE : compressed, 20);
  entry.writeUInt32LE(isZip64 ? NOT_HERE : bytes, 24);
  entry.writeUInt16LE(name.length, 28);
  entry.writeUInt16LE(extra.length, 30);
  entry.writeUInt32LE(isZip64 ? NOT_HERE : offset, 42);
  return Buffer.concat([entry, name, extra]);
}

function endOfDirectory(count: number, bytes: number, offset: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(bytes, 12);
  end.writeUInt32LE(offset, 16);
  return end;
}
