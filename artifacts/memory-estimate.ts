/** How much memory a model will take, before any of it is taken. */
import { bytesPerElement } from './ggml-types.ts';
import type { GgufHeader } from './gguf.ts';
import type { KeptArray, MetadataValue } from './metadata.ts';

export interface MemoryEstimate {
  weightsBytes: number;
  /** Keys and values of all cells; 0 where the header does not describe plain attention. */
  cacheBytes: number;
}

/**
 * @param headers of all the model's files
 * @param cells tokens that the KV cache holds
 * @param cacheType ggml name of the cache's number format
 */
export function estimateMemory(headers: readonly GgufHeader[], cells: number, cacheType: string): MemoryEstimate {
  const first = headers[0];
  if (first === undefined) throw new RangeError('a model has at least one file');
  const weightsBytes = headers.reduce((total, header) => total + header.tensorBytes, 0);
  return { weightsBytes, cacheBytes: cells * cachedElementsPerToken(first) * bytesPerElement(cacheType) };
}

function cachedElementsPerToken(header: GgufHeader): number {
  const value = (key: string) => header.metadata.get(`${header.architecture}.${key}`);
  const layers = asNumber(value('block_count')) ?? 0;
  const heads = asNumber(value('attention.head_count')) ?? 0;
  const headWidth = heads > 0 ? (asNumber(value('embedding_length')) ?? 0) / heads : 0;
  const keyWidth = asNumber(value('attention.key_length')) ?? headWidth;
  const valueWidth = asNumber(value('attention.value_length')) ?? headWidth;
  const kvHeads = value('attention.head_count_kv');
  const kvHeadsOfAllLayers = isArray(kvHeads) ? sum(kvHeads.numbers) : layers * (asNumber(kvHeads) ?? heads);
  return kvHeadsOfAllLayers * (keyWidth + valueWidth);
}

function asNumber(value: MetadataValue | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function isArray(value: MetadataValue | undefined): value is KeptArray {
  return typeof value === 'object';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
