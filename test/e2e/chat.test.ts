/** The whole path on a tiny F32 model, whose greedy texts may be compared, with the `openai` package as the client. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NativeEngine } from '#engine';
import { collect } from '../support/collect.ts';
import { writeTinyLlama } from '../support/gguf.ts';
import { PlanRunner, slotInit } from '../support/plan-runner.ts';
import { isRunning, Product } from './product.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-model-'));
const path = join(folder, 'Tiny-F32.gguf');
const model = 'tiny';
const SMALLEST_GAP = 1e-3;
let product: Product;
let client: OpenAI;

beforeAll(async () => {
  writeTinyLlama({ path, seed: 7 });
  product = new Product({
    args: ['--model', path, '--cache-type', 'f32', '--slots', '8', '--context', '4096', '--threads', '1'],
    // With it, logits move by 2e-3 with the shape of the batch even in F32; without it, by 1e-5.
    env: { SLUICE_FLASH_ATTENTION: 'off' },
  });
  client = await product.client();
});

afterAll(async () => {
  await product[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const ask = (content: string) => ({ model, temperature: 0, messages: [{ role: 'user' as const, content }] });

async function textOf(body: ReturnType<typeof ask> & { max_tokens?: number }): Promise<string> {
  const stream = await client.chat.completions.create({ ...body, stream: true });
  const chunks = await collect(stream);
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
}

const streamForever = (signal?: AbortSignal) =>
  client.chat.completions.create(
    { ...ask('Never stop.'), stream: true, ignore_eos: true } as OpenAI.ChatCompletionCreateParamsStreaming,
    { signal },
  );

describe('chat', () => {
  it('answers, and tells usage and why it ended', async () => {
    const answer = await client.chat.completions.create({ ...ask('hello world'), max_tokens: 5 });
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model,
      choices: [{ finish_reason: expect.any(String) }],
    });
    const { usage, choices } = answer;
    expect(usage!.total_tokens).toBe(usage!.prompt_tokens + usage!.completion_tokens);
    if (choices[0]!.finish_reason === 'length') expect(usage!.completion_tokens).toBe(5);
  });

  it('streams the text of the answer that is not streamed', async () => {
    const body = { ...ask('hello world'), max_tokens: 40 };
    const whole = await client.chat.completions.create(body);
    expect(whole.choices[0]!.message.content).not.toBe('');
    expect(await textOf(body)).toBe(whole.choices[0]!.message.content);
  });

  it('draws the same for the same seed', async () => {
    const body = { ...ask('hello'), temperature: 1, seed: 42, max_tokens: 30 };
    const [first, second, other] = await Promise.all([
      textOf(body),
      textOf(body),
      textOf({ ...body, seed: 43 } as typeof body),
    ]);
    expect(first).toBe(second);
    expect(first).not.toBe(other);
  });

  it('picks what logit_bias forces, and refuses tokens that the model does not have', async () => {
    const forced = { ...ask('Say Z.'), max_tokens: 3, logit_bias: { 57: 100 } };
    const { choices } = await client.chat.completions.create(forced);
    // Byte-level BPE: token 57 of the tiny vocabulary is the byte 57.
    expect(choices[0]!.message.content).toBe('999');
    const unknown = { ...forced, logit_bias: { 100000: 1 } };
    await expect(client.chat.completions.create(unknown)).rejects.toMatchObject({ status: 400, param: 'logit_bias' });
  });

  it('tells log-probabilities, streamed and not', async () => {
    const body = { ...ask('How sure?'), max_tokens: 8, logprobs: true, top_logprobs: 3 };
    const { choices } = await client.chat.completions.create(body);
    const content = choices[0]!.logprobs!.content!;
    expect(content).toHaveLength(8);
    for (const { token, logprob, top_logprobs } of content) {
      expect(top_logprobs).toHaveLength(3);
      // Greedy: what was picked is the most likely.
      expect(top_logprobs[0]).toMatchObject({ token, logprob });
    }
    const text = Buffer.from(content.flatMap(({ bytes }) => bytes!)).toString();
    expect(text.startsWith(choices[0]!.message.content!)).toBe(true);

    const chunks = await collect(await client.chat.completions.create({ ...body, stream: true }));
    expect(chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? [])).toEqual(content);
  });

  it('gives several choices, each its own, and counts the prompt once', async () => {
    const body = { ...ask('Choose.'), temperature: 1, seed: 5, max_tokens: 12, n: 3 };
    const { choices, usage } = await client.chat.completions.create(body);
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2]);
    const texts = choices.map(({ message }) => message.content);
    expect(new Set(texts).size).toBe(3);
    const alone = await client.chat.completions.create({ ...body, n: 1 });
    expect(usage!.prompt_tokens).toBe(alone.usage!.prompt_tokens);
    expect(usage!.completion_tokens).toBeGreaterThan(alone.usage!.completion_tokens);

    const streamed = ['', '', ''];
    const chunks = await collect(await client.chat.completions.create({ ...body, stream: true }));
    for (const { choices } of chunks) for (const { index, delta } of choices) streamed[index] += delta.content ?? '';
    expect(streamed).toEqual(texts);
    expect(chunks.filter((chunk) => chunk.choices[0]?.finish_reason)).toHaveLength(3);
  });

  it('gives each of 32 concurrent streams what it gives when alone', async () => {
    const prompts = await decidedPrompts(32);
    const alone: string[] = [];
    for (const prompt of prompts) alone.push(await textOf({ ...ask(prompt), max_tokens: 24 }));
    const together = await Promise.all(prompts.map((prompt) => textOf({ ...ask(prompt), max_tokens: 24 })));
    expect(together).toEqual(alone);
    expect(new Set(alone).size).toBeGreaterThan(24);
  });
});

/**
 * Prompts at whose every token the best logit is well above the second best. Logits depend a little on the shape of the
 * batch, so other prompts may rightly go on differently beside others.
 */
async function decidedPrompts(count: number): Promise<string[]> {
  const engine = await NativeEngine.load({
    path,
    slots: 1,
    context: 4096,
    threads: 1,
    cacheType: 'f32',
    flashAttention: 'off',
    record: true,
  });
  const runner = new PlanRunner(engine);
  const decided: string[] = [];
  for (let index = 0; decided.length < count; index++) {
    const prompt = `${'ab'.repeat(index % 32)} question number ${index * 7919}`;
    const messages = [{ role: 'user' as const, content: prompt }];
    const { tokens } = await engine.renderChat({ messages, addGenerationPrompt: true });
    const slot = engine.openSlot(slotInit({ maxTokens: 24, contextLimit: 4096 }));
    await runner.generate(slot, 0, tokens);
    engine.closeSlot(slot);
    await runner.run({ cache: [{ op: 'release', sequence: 0 }] });
    const gaps = engine.takeRecording().ops.flatMap((op) => op.gaps);
    if (Math.min(...gaps) > SMALLEST_GAP) decided.push(prompt);
  }
  await engine.close();
  return decided;
}

describe('models', () => {
  it('are listed and described', async () => {
    const { data } = await client.models.list();
    expect(data).toEqual([{ id: model, object: 'model', created: expect.any(Number), owned_by: 'sluice' }]);
    expect(await client.models.retrieve(model)).toEqual(data[0]);
  });
});

describe('errors', () => {
  it("raise the client's own classes", async () => {
    await expect(client.chat.completions.create({ ...ask('x'), model: 'other' })).rejects.toThrow(OpenAI.NotFoundError);
    await expect(client.chat.completions.create({ ...ask('x'), temperature: 3 })).rejects.toThrow(
      OpenAI.BadRequestError,
    );
    const stranger = new OpenAI({ baseURL: await product.ready(), apiKey: 'sk-wrong', maxRetries: 0 });
    await expect(stranger.models.list()).rejects.toThrow(OpenAI.AuthenticationError);
  });

  it('tell both numbers where the prompt is too long', async () => {
    await expect(client.chat.completions.create(ask('hello '.repeat(4500)))).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
      message: expect.stringMatching(/\b4096\b.*\b\d{3,}\b|\b\d{3,}\b.*\b4096\b/),
    });
  });
});

describe('a client that leaves', () => {
  it('frees its slot, so that those who wait for one get it', async () => {
    const controllers = Array.from({ length: 8 }, () => new AbortController());
    const streams = await Promise.all(controllers.map(({ signal }) => streamForever(signal)));
    await Promise.all(streams.map((stream) => stream[Symbol.asyncIterator]().next()));
    const waiting = textOf({ ...ask('hello'), max_tokens: 4 });
    controllers[3]!.abort();
    await waiting;
    for (const controller of controllers) controller.abort();
  });
});

describe('a worker that is killed', () => {
  it('ends its streams with an error, is started again, and works', async () => {
    const stream = await streamForever();
    const iterator = stream[Symbol.asyncIterator]();
    await iterator.next();
    const [worker] = product.workers();
    process.kill(worker!, 'SIGKILL');
    const drain = async () => {
      while (!(await iterator.next()).done);
    };
    await expect(drain()).rejects.toThrow(OpenAI.APIError);
    await product.says(/serves again/);
    expect(isRunning(worker!)).toBe(false);
    expect(await textOf({ ...ask('hello'), max_tokens: 4 })).toEqual(expect.any(String));
    expect(product.workers()).not.toContain(worker);
  });
});
