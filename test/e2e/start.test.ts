/** `npm start` itself: what it prints, how it fails, how it ends. On the simulated engine, or before any engine. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type OpenAI from 'openai';
import { expect, it, onTestFinished, vi } from 'vitest';
import { temporaryFolder } from '../support/folder.ts';
import { writeTinyLlama } from '../support/gguf.ts';
import { isRunning, Product, type ProductOptions } from './product.ts';

// A pass takes a moment, so that a request without a limit is still running when the test goes on.
const simulated = { SLUICE_ENGINE: 'simulated', SLUICE_SIMULATED_PASS_MS: '3' };
const MODEL = 'smollm2-135m-instruct';
// ignore_eos is our extension, unknown to the client's types.
const endless: OpenAI.ChatCompletionCreateParamsStreaming & { ignore_eos: true } = {
  model: MODEL,
  messages: [{ role: 'user', content: 'Go on.' }],
  stream: true,
  ignore_eos: true,
};

function start(options: ProductOptions = {}): Product {
  const product = new Product(options);
  onTestFinished(() => product[Symbol.asyncDispose]());
  return product;
}

/** Starts what cannot start. Its output without progress, in lines. */
async function failure(options: ProductOptions) {
  const product = start(options);
  const code = await product.exited;
  return { code, lines: product.output.trim().split('\n') };
}

it('ends its start with the ready line and examples that name this server', async () => {
  const product = start({ env: simulated });
  const url = await product.ready();
  const [, curl] = await product.says(/^(curl .*)$/m);
  expect(curl).toContain(`${url}/chat/completions`);
  expect(curl).toContain(`"model":"${MODEL}"`);
  await product.says(/^from openai import OpenAI\nclient = OpenAI\(base_url="http.*\n.*\n.*\n {4}print\(.*\)$/m);
});

it('prints help and ends', async () => {
  const { code, lines } = await failure({ args: ['--help'] });
  expect(code).toBe(0);
  expect(lines).toContain('Usage: npm start -- [options]');
});

it.each<[string, ProductOptions, string, number]>([
  ['an unknown option', { args: ['--nonsense'] }, 'unknown option --nonsense; npm start -- --help lists all', 2],
  ['an open address with the known key', { args: ['--host', '0.0.0.0'] }, 'set an --api-key of your own', 2],
  ['a missing file', { args: ['--model', '/nowhere/m.gguf'] }, 'There is no model file /nowhere/m.gguf', 1],
  ['a folder', { args: ['--model', '/'] }, '/ is not a file', 1],
  ['an incomplete hub name', { args: ['--model', 'hf:owner/repo'] }, 'is not of the form hf:owner/repo/file', 1],
  [
    'two models of one name',
    { args: ['--model', 'a.gguf', '--model', 'b/a.gguf'], env: simulated },
    'give each its own --alias',
    1,
  ],
])('refuses %s in one line', async (_what, options, message, expectedCode) => {
  const { code, lines } = await failure(options);
  expect(lines).toEqual([expect.stringContaining(message)]);
  expect(code).toBe(expectedCode);
});

it('refuses a port that is taken, in one line', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const { code, lines } = await failure({ args: ['--port', String(port)], env: simulated });
  expect(lines).toEqual([`Port ${port} of 127.0.0.1 is taken: end what uses it, or choose another with --port`]);
  expect(code).toBe(1);
});

it('refuses a data folder that another start uses', async () => {
  const folder = temporaryFolder();
  const first = start({ env: { ...simulated, SLUICE_DATA: folder } });
  await first.ready();
  const { code, lines } = await failure({ env: { ...simulated, SLUICE_DATA: folder } });
  expect(lines).toEqual([expect.stringMatching(/^Another Sluice \(process \d+\) uses the data folder/)]);
  expect(code).toBe(1);
});

it('serves only what it was started with, also over the data of another start', async () => {
  const folder = temporaryFolder();
  for (const name of ['first', 'second']) {
    await using product = new Product({ args: ['--alias', name], env: { ...simulated, SLUICE_DATA: folder } });
    const models = await (await product.client()).models.list();
    expect(models.data.map(({ id }) => id)).toEqual([name]);
  }
});

it.each([
  ['no GGUF', Buffer.from('This is a text file, not a model.'.repeat(100)), /not a GGUF/i],
  ['empty', Buffer.alloc(0), /GGUF|empty|truncated|cut/i],
])('refuses a model file that is %s, in one line', async (_what, content, message) => {
  const path = join(temporaryFolder(), 'm.gguf');
  writeFileSync(path, content);
  const { code, lines } = await failure({ args: ['--model', path] });
  expect(lines.at(-1)).toMatch(message);
  expect(lines.filter((line) => !line.startsWith('Loading'))).toHaveLength(1);
  expect(code).toBe(1);
});

it('lets running requests finish on Ctrl-C, takes no more, and leaves nothing running', async () => {
  const product = start({ env: simulated });
  const client = await product.client();
  const stream = await client.chat.completions.create({ ...endless, max_tokens: 200 });
  const running = product.descendants().map(({ pid }) => pid);
  let finish: string | null | undefined;
  let chunks = 0;
  for await (const chunk of stream) {
    chunks += 1;
    if (chunks === 2) {
      product.interrupt();
      await product.says(/^Stopping/m);
      await expect(client.models.list()).rejects.toThrow('Connection error');
    }
    finish = chunk.choices[0]?.finish_reason ?? finish;
  }
  expect(finish).toBe('length');
  expect(await product.exited).toBe(0);
  // A process closes its streams a moment before it is gone.
  await vi.waitFor(() => expect(running.filter(isRunning)).toEqual([]));
});

it('ends at once on a second Ctrl-C', async () => {
  const product = start({ env: simulated });
  const client = await product.client();
  const stream = await client.chat.completions.create(endless);
  const running = product.descendants().map(({ pid }) => pid);
  const read = async () => {
    for await (const _chunk of stream);
  };
  const broken = expect(read()).rejects.toThrow();
  product.interrupt();
  await product.says(/^Stopping/m);
  await new Promise((resolve) => setTimeout(resolve, 400));
  product.interrupt();
  expect(await product.exited).toBe(130);
  await broken;
  // A process closes its streams a moment before it is gone.
  await vi.waitFor(() => expect(running.filter(isRunning)).toEqual([]));
});

it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('ends well by %s to the first process alone', async (signal) => {
  const product = start({ env: simulated });
  await product.ready();
  const running = product.descendants().map(({ pid }) => pid);
  process.kill(product.pid, signal);
  expect(await product.exited).toBe(0);
  // A process closes its streams a moment before it is gone.
  await vi.waitFor(() => expect(running.filter(isRunning)).toEqual([]));
});

it('leaves nothing running when the first process is killed', async () => {
  const product = start({ env: simulated });
  await product.ready();
  const running = product.descendants().map(({ pid }) => pid);
  expect(running.length).toBeGreaterThanOrEqual(2);
  process.kill(product.pid, 'SIGKILL');
  // Its streams are inherited by all others: they close when the last one is gone.
  await product.exited;
  // A process closes its streams a moment before it is gone.
  await vi.waitFor(() => expect(running.filter(isRunning)).toEqual([]));
});

it('ends well when asked while it starts', async () => {
  const path = join(temporaryFolder(), 'tiny.gguf');
  writeTinyLlama({ path, seed: 1 });
  const product = start({ args: ['--model', path] });
  await product.says(/^Loading/m);
  const running = product.descendants().map(({ pid }) => pid);
  process.kill(product.pid, 'SIGTERM');
  expect(await product.exited).toBe(0);
  // A process closes its streams a moment before it is gone.
  await vi.waitFor(() => expect(running.filter(isRunning)).toEqual([]));
});
