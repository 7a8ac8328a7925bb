import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collect } from '../support/collect.ts';
import { API_KEY, type Front, startFront } from './front.ts';

let front: Front;
let client: OpenAI;

beforeEach(async () => {
  front = await startFront({
    answer: (exchange) => {
      const { messages } = exchange.request.input as { messages: { parts: { text: string }[] }[] };
      const text = messages.at(-1)?.parts[0]?.text;
      if (text === 'too long') exchange.fail('context_length_exceeded', { message: '200 tokens, 128 fit' });
      else if (text === 'break') {
        exchange.accept();
        exchange.say({ type: 'delta', choice: 0, text: 'par', tokens: 1 });
        exchange.fail('engine_failed');
      } else exchange.answer('Hel', 'lo ', '👋');
    },
  });
  client = new OpenAI({ baseURL: `${front.url}/v1`, apiKey: API_KEY, maxRetries: 0 });
});
afterEach(() => front.close());

const ask = (content: string) => ({ model: 'tiny', messages: [{ role: 'user' as const, content }] });

describe("OpenAI's own client", () => {
  it('gets a completion, and goes on with the conversation', async () => {
    const completion = await client.chat.completions.create(ask('Hello'));
    expect(completion.choices[0]?.message.content).toBe('Hello 👋');
    expect(completion._request_id).toMatch(/^req_/);
    const message = completion.choices[0]?.message;
    if (!message) throw new Error('No message');
    const { messages, model } = ask('Hello');
    const next = await client.chat.completions.create({ model, messages: [...messages, message, ...messages] });
    expect(next.usage?.total_tokens).toBe(8);
  });

  it('gets a stream', async () => {
    const stream = await client.chat.completions.create({
      ...ask('Hello'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await collect(stream);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('Hello 👋');
    expect(chunks.at(-1)?.usage?.completion_tokens).toBe(3);
  });

  it('gets a stream with its helper', async () => {
    const completion = await client.chat.completions.stream(ask('Hello')).finalChatCompletion();
    expect(completion.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Hello 👋' } });
  });

  it('gets the models', async () => {
    const models = await collect(client.models.list());
    expect(models.map((model) => model.id)).toEqual(['tiny']);
    expect((await client.models.retrieve('tiny')).owned_by).toBe('sluice');
  });

  it('raises its own errors', async () => {
    await expect(client.chat.completions.create({ ...ask('Hello'), store: true })).rejects.toBeInstanceOf(
      OpenAI.BadRequestError,
    );
    await expect(client.chat.completions.create(ask('too long'))).rejects.toMatchObject({
      status: 400,
      code: 'context_length_exceeded',
    });
    await expect(client.models.retrieve('huge')).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const stranger = client.withOptions({ apiKey: 'sk-wrong' });
    await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  });

  it('raises an error in the middle of a stream', async () => {
    const stream = await client.chat.completions.create({ ...ask('break'), stream: true });
    const texts: string[] = [];
    const reading = (async () => {
      for await (const chunk of stream) texts.push(chunk.choices[0]?.delta.content ?? '');
    })();
    await expect(reading).rejects.toMatchObject({ code: 'engine_failed' });
    expect(texts.join('')).toBe('par');
  });

  it('leaves a stream, and the worker hears of it', async () => {
    await front.close();
    front = await startFront({ answer: (exchange) => exchange.accept() });
    client = new OpenAI({ baseURL: `${front.url}/v1`, apiKey: API_KEY });
    const stream = await client.chat.completions.create({ ...ask('Hello'), stream: true });
    stream.controller.abort();
    await front.worker.exchanges[0]?.abandoned;
  });
});
