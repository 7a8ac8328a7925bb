/**
 * Reads a GGUF header front to back through a window, however large the file behind it is. Synchronous: a header holds
 * up to a million short strings, and waiting for each takes ten times as long as reading it.
 */
import { readSync } from 'node:fs';
import { GgufError } from './gguf-error.ts';

const WINDOW_BYTES = 256 * 1024;
/** The largest vocabularies in use make headers of some 30 MB. */
const MAX_HEADER_BYTES = 512 * 1024 * 1024;

export class HeaderCursor {
  readonly #file: number;
  readonly #path: string;
  readonly fileBytes: number;
  #buffer: Buffer = Buffer.alloc(WINDOW_BYTES);
  #windowBytes = 0;
  #windowStart = 0;
  #position = 0;

  /** @param file descriptor of the open file */
  constructor(file: number, path: string, fileBytes: number) {
    this.#file = file;
    this.#path = path;
    this.fileBytes = fileBytes;
  }

  /** Bytes read so far. */
  get position(): number {
    return this.#position;
  }

  u32(): number {
    const at = this.#advance(4);
    return this.#buffer.readUInt32LE(at);
  }

  /** Throws GgufError `malformed` above 2^53 - 1, which no size or count of a real file reaches. */
  u64(): number {
    const at = this.#advance(8);
    const value = this.#buffer.readBigUInt64LE(at);
    if (value > Number.MAX_SAFE_INTEGER) throw this.malformed(`the number ${value} is out of bounds`);
    return Number(value);
  }

  /** A copy of the next bytes; callers bound the length. */
  bytes(length: number): Buffer {
    const at = this.#advance(length);
    return Buffer.from(this.#buffer.subarray(at, at + length));
  }

  string(maxBytes: number): string {
    const length = this.u64();
    if (length > maxBytes) throw this.malformed(`a string of ${length} bytes is longer than ${maxBytes}`);
    return this.bytes(length).toString('utf8');
  }

  skip(length: number): void {
    this.#requireInFile(length);
    this.#position += length;
  }

  malformed(what: string): GgufError {
    return new GgufError('malformed', `${this.#path} is not a valid GGUF file: ${what}`);
  }

  /** Moves on by `length` bytes and returns where in the window they begin. */
  #advance(length: number): number {
    this.#requireInFile(length);
    const windowEnd = this.#windowStart + this.#windowBytes;
    if (this.#position + length > windowEnd) this.#moveWindow(length);
    const at = this.#position - this.#windowStart;
    this.#position += length;
    return at;
  }

  #moveWindow(length: number): void {
    if (length > this.#buffer.length) this.#buffer = Buffer.alloc(length);
    const bytesRead = readSync(this.#file, this.#buffer, 0, this.#buffer.length, this.#position);
    if (bytesRead < length) throw truncated(this.#path, this.#position + length, this.#position + bytesRead);
    this.#windowBytes = bytesRead;
    this.#windowStart = this.#position;
  }

  #requireInFile(length: number): void {
    const end = this.#position + length;
    if (end > MAX_HEADER_BYTES) throw this.malformed(`its header is longer than ${MAX_HEADER_BYTES} bytes`);
    if (end > this.fileBytes) throw truncated(this.#path, end, this.fileBytes);
  }
}

/** @param expected bytes the file must have at least */
export function truncated(path: string, expected: number, actual: number): GgufError {
  const message = `${path} is truncated: it has ${actual} bytes and must have at least ${expected}`;
  return new GgufError('truncated', message, { sizes: { expected, actual } });
}
