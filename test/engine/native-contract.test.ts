import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { loadEngine } from '#engine';
import { writeTinyLlama } from '../support/gguf.ts';
import { engineContract } from './contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-contract-'));
const path = join(folder, 'tiny.gguf');
writeTinyLlama({ path, seed: 21 });
afterAll(() => rmSync(folder, { recursive: true }));

engineContract('The native engine', (sizes) => loadEngine({ ...sizes, path, threads: 1, cacheType: 'f32' }), {
  exactAcrossBatches: true,
});
