import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GgufHeader, readGgufHeader } from '#artifacts/gguf.ts';
import { GgufError } from '#artifacts/gguf-error.ts';
import { temporaryFolder } from '../support/folder.ts';
import { writeTinyLlama } from '../support/gguf.ts';
import { encodeGguf, encodeString, u32, u64 } from '../support/gguf-encoding.ts';

const Q8_0 = 8;

/** One F32 row of 4 and two Q8_0 rows of 64: 16 + 136 bytes of tensors, the second one aligned to 32. */
const SMALL = encodeGguf(
  {
    'general.architecture': { type: 'string', value: 'llama' },
    'llama.context_length': { type: 'u32', value: 77 },
    'tokenizer.ggml.tokens': { type: 'strings', value: ['a', 'b', 'c'] },
    'llama.attention.head_count_kv': { type: 'i32s', value: [2, 4] },
  },
  [
    { name: 'norm', shape: [4], type: 0, data: new Uint8Array(16) },
    { name: 'matrix', shape: [64, 2], type: Q8_0, data: new Uint8Array(136) },
  ],
);
/** The writer pads the last tensor; a file may end without that. */
const SMALL_NEEDED = SMALL.length - (160 - 136);

describe('the header of a GGUF file', () => {
  it('names the model, its tokenizer and its sizes', () => {
    const path = join(temporaryFolder(), 'tiny.gguf');
    writeTinyLlama({ path, seed: 5, context: 640 });
    const { metadata, ...header } = readGgufHeader(path);
    expect(header).toMatchObject({
      version: 3,
      architecture: 'llama',
      name: 'tiny-llama-5',
      trainedContext: 640,
      tokenizer: 'gpt2',
      hasChatTemplate: true,
      splitCount: 1,
      tensorCount: 21,
    });
    expect(header.vocabularySize).toBeGreaterThan(256);
    expect(metadata.get('llama.rope.dimension_count')).toBe(16);
  });

  it('counts quantised tensors by their blocks and keeps short arrays of numbers', () => {
    const header = read(SMALL);
    expect(header).toMatchObject({ tensorBytes: 16 + 136, tensorCount: 2, vocabularySize: 3, hasChatTemplate: false });
    expect(header.metadata.get('llama.attention.head_count_kv')).toEqual({ length: 2, numbers: [2, 4] });
  });

  it('reads version 2 and refuses 1 and 4', () => {
    expect(read(patched(SMALL, 4, u32(2))).version).toBe(2);
    expect(() => read(patched(SMALL, 4, u32(1)))).toThrow(failure('unsupported_version'));
    expect(() => read(patched(SMALL, 4, u32(4)))).toThrow(failure('unsupported_version'));
  });

  it('reads a header that is longer than one window', () => {
    const tokens = Array.from({ length: 60_000 }, (_, token) => `token ${token}`);
    const file = encodeGguf(
      {
        'tokenizer.ggml.tokens': { type: 'strings', value: tokens },
        'general.architecture': { type: 'string', value: 'llama' },
      },
      [],
    );
    expect(file.length).toBeGreaterThan(1_000_000);
    expect(read(file)).toMatchObject({ vocabularySize: 60_000, architecture: 'llama' });
  });
});

describe('a file cut short', () => {
  it('is recognised wherever it is cut, with both sizes', () => {
    const path = join(temporaryFolder(), 'cut.gguf');
    for (let length = SMALL_NEEDED - 1; length >= 4; length -= 1) {
      writeFileSync(path, SMALL.subarray(0, length));
      const error = errorOf(() => readGgufHeader(path));
      expect(error.code, `cut to ${length} bytes`).toBe('truncated');
      expect(error.sizes?.actual).toBe(length);
      expect(error.sizes?.expected).toBeGreaterThan(length);
    }
  });

  it('says how many bytes the whole file has once the header is complete', () => {
    expect(errorOf(() => read(SMALL.subarray(0, SMALL_NEEDED - 100))).sizes).toEqual({
      expected: SMALL_NEEDED,
      actual: SMALL_NEEDED - 100,
    });
    expect(read(SMALL.subarray(0, SMALL_NEEDED)).fileBytes).toBe(SMALL_NEEDED);
  });
});

describe('a file that is no model', () => {
  it.each([
    ['empty', Buffer.alloc(0)],
    ['text', Buffer.from('<!DOCTYPE html><html>404 not found</html>')],
    ['cut inside the magic', Buffer.from('GGU')],
  ])('is not GGUF: %s', (_, content) => {
    expect(() => read(content)).toThrow(failure('not_gguf'));
  });

  it('is missing, or a folder', () => {
    const folder = temporaryFolder();
    expect(() => readGgufHeader(join(folder, 'none.gguf'))).toThrow(failure('file_missing'));
    expect(() => readGgufHeader(folder)).toThrow(failure('not_gguf'));
  });
});

describe('a hostile header', () => {
  const header = (tensors: number | bigint, entries: number | bigint, ...rest: Buffer[]) =>
    Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors), u64(entries), ...rest]);
  const stringArray = 8;

  it.each([
    ['metadata entries without end', header(0, 2n ** 40n)],
    ['tensors without end', header(2n ** 50n, 0)],
    ['a number beyond 2^53', header(2n ** 63n, 0)],
    ['a key of a gigabyte', header(0, 1, u64(2 ** 30))],
    ['an array without end', header(0, 1, encodeString('k'), u32(9), u32(stringArray), u64(2n ** 45n))],
    ['an array of arrays', header(0, 1, encodeString('k'), u32(9), u32(9), u64(1))],
    ['an unknown type', header(0, 1, encodeString('k'), u32(99))],
    ['a repeated key', header(0, 2, ...twice(encodeString('k'), u32(7), Buffer.from([1])))],
    ['a tensor of an unknown type', header(1, 0, encodeString('t'), u32(1), u64(4), u32(4), u64(0))],
    ['five dimensions', header(1, 0, encodeString('t'), u32(5))],
    ['half a block', header(1, 0, encodeString('t'), u32(1), u64(33), u32(Q8_0), u64(0))],
    ['an unaligned tensor', header(1, 0, encodeString('t'), u32(1), u64(4), u32(0), u64(7))],
    ['an overflowing shape', header(1, 0, encodeString('t'), u32(2), u64(2 ** 40), u64(2 ** 40), u32(0), u64(0))],
  ])('is refused: %s', (_, content) => {
    expect(() => read(content)).toThrow(failure('malformed'));
  });

  it('may lie about lengths in a huge file without costing memory', () => {
    const path = join(temporaryFolder(), 'sparse.gguf');
    writeFileSync(path, header(0, 1, encodeString('k'), u32(9), u32(stringArray), u64(15_000_000)));
    truncateSync(path, 2 ** 36);
    const before = process.memoryUsage.rss();
    expect(() => readGgufHeader(path)).toThrow(failure('malformed'));
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 2 ** 20);
  });

  it('never causes anything but a typed error', () => {
    const path = join(temporaryFolder(), 'damaged.gguf');
    const damage = fc.array(fc.tuple(fc.nat(SMALL.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(damage, (changes) => {
        const content = Buffer.from(SMALL);
        for (const [at, byte] of changes) content[at] = byte;
        writeFileSync(path, content);
        try {
          readGgufHeader(path);
        } catch (error) {
          expect(error).toBeInstanceOf(GgufError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

function read(content: Uint8Array): GgufHeader {
  const path = join(temporaryFolder(), 'model.gguf');
  writeFileSync(path, content);
  return readGgufHeader(path);
}

function patched(content: Buffer, at: number, bytes: Buffer): Buffer {
  const copy = Buffer.from(content);
  bytes.copy(copy, at);
  return copy;
}

function twice(...parts: Buffer[]): Buffer[] {
  return [...parts, ...parts];
}

function failure(code: GgufError['code']) {
  return expect.objectContaining({ name: 'GgufError', code });
}

function errorOf(call: () => unknown): GgufError {
  try {
    call();
  } catch (error) {
    if (error instanceof GgufError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
