import { describe, expect, it } from 'vitest';
import { modelIdOf, parseHubReference, splitParts } from '#dev/models/reference.ts';

it.each([
  ['SmolLM2-135M-Instruct.Q4_1.gguf', 'smollm2-135m-instruct'],
  ['/models/Qwen3-0.6B-Q8_0.gguf', 'qwen3-0.6b'],
  ['Llama-3.1-8B-Instruct-Q4_K_M.gguf', 'llama-3.1-8b-instruct'],
  ['gpt-oss-20b-MXFP4.gguf', 'gpt-oss-20b'],
  ['big-IQ2_XXS-00001-of-00003.gguf', 'big'],
  ['tiny-f16.gguf', 'tiny'],
  ['My Model (v2).GGUF', 'my-model-v2'],
  ['模型.gguf', 'model'],
])('calls %s %s', (file, id) => {
  expect(modelIdOf(file)).toBe(id);
});

describe('hf: references', () => {
  it('name repository and file', () => {
    expect(parseHubReference('hf:owner/repo/folder/file.gguf')).toEqual({
      repo: 'owner/repo',
      file: 'folder/file.gguf',
    });
  });

  it.each(['hf:owner/repo', 'hf:owner', 'hf:', 'hf:a//c', 'hf:a/b/../../c', 'hf:a/b/c?x=1'])(
    'are refused: %s',
    (model) => {
      expect(() => parseHubReference(model)).toThrow('not of the form hf:owner/repo/file');
    },
  );
});

it('lists the parts of a split model', () => {
  expect(splitParts('dir/m-00001-of-00003.gguf')).toEqual([
    'dir/m-00001-of-00003.gguf',
    'dir/m-00002-of-00003.gguf',
    'dir/m-00003-of-00003.gguf',
  ]);
  expect(splitParts('m.gguf')).toEqual(['m.gguf']);
});
