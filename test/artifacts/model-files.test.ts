import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { estimateMemory } from '#artifacts/memory-estimate.ts';
import { readModelHeaders } from '#artifacts/model-files.ts';
import { temporaryFolder } from '../support/folder.ts';
import { writeTinyLlama } from '../support/gguf.ts';
import { encodeGguf } from '../support/gguf-encoding.ts';

const PART = encodeGguf(
  { 'general.architecture': { type: 'string', value: 'llama' }, 'split.count': { type: 'u32', value: 3 } },
  [{ name: 'norm', shape: [4], type: 0, data: new Uint8Array(16) }],
);

it('reads every part of a split model and misses none', () => {
  const folder = temporaryFolder();
  const part = (number: number) => join(folder, `big-0000${number}-of-00003.gguf`);
  for (const number of [1, 2]) writeFileSync(part(number), PART);
  expect(() => readModelHeaders(part(1))).toThrow(expect.objectContaining({ code: 'file_missing' }));
  writeFileSync(part(3), PART.subarray(0, PART.length - 17));
  expect(() => readModelHeaders(part(1))).toThrow(expect.objectContaining({ code: 'truncated' }));
  copyFileSync(part(1), part(3));
  expect(readModelHeaders(part(1))).toHaveLength(3);
});

it('asks for the first part where it is given another', () => {
  const path = join(temporaryFolder(), 'big-00002-of-00003.gguf');
  writeFileSync(path, PART);
  expect(() => readModelHeaders(path)).toThrow(/-00001-of-00003/);
});

it('estimates weights and cache', () => {
  const path = join(temporaryFolder(), 'tiny.gguf');
  writeTinyLlama({ path, seed: 1, layers: 3, dim: 64, heads: 4, kvHeads: 2 });
  const headers = readModelHeaders(path);
  const keysAndValues = 3 * 2 * (16 + 16);
  expect(estimateMemory(headers, 100, 'f32').cacheBytes).toBe(100 * keysAndValues * 4);
  expect(estimateMemory(headers, 100, 'q8_0').cacheBytes).toBe((100 * keysAndValues * 34) / 32);
  expect(estimateMemory(headers, 100, 'f32').weightsBytes).toBe(headers[0]?.tensorBytes);
});
