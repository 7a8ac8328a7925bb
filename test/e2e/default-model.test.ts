/** The product as a new user has it: the default model, the examples as printed, many at once. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect } from '../support/collect.ts';
import { hasDefaultModel, Product } from './product.ts';

const model = 'smollm2-135m-instruct';
const run = promisify(execFile);

describe.skipIf(!hasDefaultModel)('the default model', () => {
  let product: Product;
  let client: OpenAI;

  beforeAll(async () => {
    // ggml's threads spin: with more of them than cores are free, all test files would crawl.
    product = new Product({ args: ['--threads', '1'] });
    client = await product.client();
  });
  afterAll(() => product?.[Symbol.asyncDispose]());

  const ask = (content: string) => ({ model, temperature: 0, messages: [{ role: 'user' as const, content }] });

  it('answers a question', async () => {
    const answer = await client.chat.completions.create(ask('What is the capital of France? Answer briefly.'));
    expect(answer.choices[0]!.message.content).toContain('Paris');
    expect(answer.choices[0]!.finish_reason).toBe('stop');
  });

  it('answers the curl line that a start prints', async () => {
    const [, command] = await product.says(/^(curl .*)$/m);
    const { stdout } = await run('sh', ['-c', `${command} --silent`]);
    const answer = JSON.parse(stdout) as OpenAI.ChatCompletion;
    expect(answer.choices[0]!.message.content).toMatch(/\w+/);
  });

  it('keeps 32 concurrent streams apart', async () => {
    const words = Array.from({ length: 32 }, (_, index) => `${NAMES[index % 8]}${NAMES[(index >> 3) + 3]}${index}`);
    const answers = await Promise.all(
      words.map(async (word) => {
        const body = { ...ask(`Repeat this word: ${word}`), max_tokens: 12, stream: true } as const;
        const chunks = await collect(await client.chat.completions.create(body));
        return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
      }),
    );
    const others = answers.map((answer, index) =>
      words.filter((word, other) => other !== index && mentions(answer, word)),
    );
    expect(others.flat()).toEqual([]);
    const own = answers.filter((answer, index) => mentions(answer, words[index]!));
    expect(own.length, 'answers that mention their own word').toBeGreaterThan(16);
  }, 120_000);
});

const NAMES = ['Zan', 'Mor', 'Quil', 'Bex', 'Tav', 'Lun', 'Drif', 'Hask'];

/** As a whole word: `Zan1` is not in `Zan12`. */
const mentions = (text: string, word: string) => new RegExp(`\\b${word}\\b`, 'i').test(text);
