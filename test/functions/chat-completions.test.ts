import { afterEach, describe, expect, it } from 'vitest';
import { ChatCompletion, ChatCompletionChunk } from '#contract/openai/chat-response.ts';
import type { WorkerEvent } from '#contract/worker.ts';
import { RegistryView } from '#fleet/registry-view.ts';
import { type Exchange, servedModel, tinyModel, workerItem } from '../fleet/fake-worker.ts';
import { chatBody, type Front, sseData, startFront } from './front.ts';

const PATH = '/v1/chat/completions';

let front: Front;
afterEach(() => front.close());

const answerHello = (exchange: Exchange) => exchange.answer('Hel', 'lo ', '👋');

describe('a completion', () => {
  it("has every key of OpenAI's schema", async () => {
    front = await startFront({ answer: answerHello });
    const response = await front.post(PATH, chatBody());
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('x-sluice-version')).toBe('v1');
    expect(response.headers.get('openai-processing-ms')).toMatch(/^\d+$/);
    expect(response.headers.get('openai-version')).toBe('2020-10-01');
    const body = ChatCompletion.parse(await response.json());
    expect(body.id).toMatch(/^chatcmpl-/);
    expect(body.model).toBe('tiny');
    expect(body.system_fingerprint).toContain('v1');
    expect(body.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello 👋', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
    expect(body.usage).toMatchObject({
      prompt_tokens: 5,
      completion_tokens: 3,
      total_tokens: 8,
      prompt_tokens_details: { cached_tokens: 2 },
    });
  });

  it('tells that it was cut at the token limit', async () => {
    front = await startFront({
      answer: (exchange) => {
        exchange.accept();
        exchange.finish({ finish: 'length' });
      },
    });
    const body = ChatCompletion.parse(await (await front.post(PATH, chatBody())).json());
    expect(body.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '' } });
  });

  it('asks the worker for what the client asked, and for nothing twice', async () => {
    front = await startFront({ answer: answerHello });
    const messages = [{ role: 'user', content: 'Grüße, 世界 👋' }];
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await front.post(PATH, chatBody({ messages, max_tokens: 7, stop: 'END', seed: 3 }), {
      headers: { traceparent, 'x-request-id': 'mine' },
    });
    await front.post(PATH, chatBody(), { headers: { traceparent: 'nonsense', 'x-request-id': 'mine' } });
    const [first, second] = front.worker.exchanges.map((exchange) => exchange.request);
    expect(first).toMatchObject({
      model: 'tiny',
      version: 'v1',
      input: { type: 'chat', messages: [{ role: 'user', parts: [{ type: 'text', text: 'Grüße, 世界 👋' }] }] },
      maxTokens: 7,
      stops: ['END'],
      sampling: { seed: 3 },
      traceparent,
    });
    expect(second?.traceparent).toBeNull();
    expect(second?.id).not.toBe(first?.id);
    expect(first?.deadline).toBeGreaterThan(Date.now());
  });

  it('picks another seed each time where the client gave none', async () => {
    front = await startFront({ answer: answerHello });
    await front.post(PATH, chatBody());
    await front.post(PATH, chatBody());
    const seeds = front.worker.exchanges.map((exchange) => exchange.request.sampling.seed);
    expect(new Set(seeds).size).toBe(2);
  });

  it('is cancelled at the worker as soon as the client leaves', async () => {
    front = await startFront({ answer: (exchange) => exchange.accept() });
    const arriving = front.worker.nextExchange();
    const leaving = new AbortController();
    const asking = front.post(PATH, chatBody(), { signal: leaving.signal });
    const exchange = await arriving;
    const logging = front.nextLogLine();
    leaving.abort();
    await expect(asking).rejects.toThrow();
    const leftAt = performance.now();
    await exchange.abandoned;
    expect(performance.now() - leftAt).toBeLessThan(100);
    expect(await logging).toMatchObject({ error: 'cancelled' });
  });

  it('names the ignored parameters', async () => {
    front = await startFront({ answer: answerHello, services: { ignoredParameters: new Set(['store', 'foo']) } });
    const response = await front.post(PATH, chatBody({ store: true, foo: 1 }));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-sluice-ignored')).toBe('store, foo');
    expect((await front.post(PATH, chatBody({ bar: 1 }))).status).toBe(400);
  });
});

describe('a streamed completion', () => {
  it('begins with the role, ends with one finish chunk and [DONE]', async () => {
    front = await startFront({ answer: answerHello });
    const response = await front.post(PATH, chatBody({ stream: true }));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-cache, no-transform');
    expect(response.headers.get('x-sluice-version')).toBe('v1');
    const data = sseData(await response.text());
    expect(data.pop()).toBe('[DONE]');
    const chunks = data.map((chunk) => ChatCompletionChunk.parse(chunk));
    expect(chunks.map((chunk) => chunk.choices)).toEqual([
      [choice({ role: 'assistant', content: '', refusal: null })],
      [choice({ content: 'Hel' })],
      [choice({ content: 'lo ' })],
      [choice({ content: '👋' })],
      [{ ...choice({}), finish_reason: 'stop' }],
    ]);
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${created} ${model}`)).size).toBe(1);
    expect(chunks.every((chunk) => !('usage' in chunk))).toBe(true);
  });

  it('tells the usage in a chunk of its own where asked, and null before', async () => {
    front = await startFront({ answer: answerHello });
    const response = await front.post(PATH, chatBody({ stream: true, stream_options: { include_usage: true } }));
    const data = sseData(await response.text());
    expect(data.pop()).toBe('[DONE]');
    const chunks = data.map((chunk) => ChatCompletionChunk.parse(chunk));
    const last = chunks.pop();
    expect(last).toMatchObject({ choices: [], usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 } });
    expect(chunks.map((chunk) => chunk.usage)).toEqual(chunks.map(() => null));
  });

  it('sends each token when it comes', async () => {
    front = await startFront();
    const arriving = front.worker.nextExchange();
    const asking = front.post(PATH, chatBody({ stream: true }));
    const exchange = await arriving;
    exchange.accept();
    const read = reader(await asking);
    await read.until('"role":"assistant"');
    for (const text of ['one', 'two']) {
      exchange.say({ type: 'delta', choice: 0, text, tokens: 1 });
      await read.until(`"content":"${text}"`);
    }
    exchange.finish();
    await read.until('[DONE]');
  });

  it('says nothing of pings, progress and empty text', async () => {
    front = await startFront({
      answer: (exchange) => {
        exchange.accept();
        exchange.say(
          { type: 'ping' },
          { type: 'progress', prefilled: 2, promptTokens: 5 },
          { type: 'delta', choice: 0, text: '', tokens: 1 },
        );
        exchange.finish();
      },
    });
    const data = sseData(await (await front.post(PATH, chatBody({ stream: true }))).text());
    expect(data).toHaveLength(3);
  });

  it('sends a comment when nothing has been said for a while', async () => {
    front = await startFront({ services: { heartbeatMs: 20 } });
    const arriving = front.worker.nextExchange();
    const asking = front.post(PATH, chatBody({ stream: true }));
    const exchange = await arriving;
    exchange.accept();
    const read = reader(await asking);
    await read.until(': keep-alive\n\n: keep-alive\n\n');
    exchange.say({ type: 'delta', choice: 0, text: 'late', tokens: 1 });
    await read.until('"content":"late"');
    exchange.finish();
    await read.until('[DONE]');
  });

  it.each([
    ['breaks off', (exchange: Exchange) => exchange.cut(), 'model_unavailable'],
    ['fails', (exchange: Exchange) => exchange.fail('engine_failed'), 'engine_failed'],
    ['runs out of time', (exchange: Exchange) => exchange.fail('deadline_exceeded'), 'timeout'],
    ['talks nonsense', (exchange: Exchange) => exchange.write('nonsense\n'), 'internal_error'],
  ])('ends with an error event when the worker %s', async (_, breakOff, code) => {
    front = await startFront();
    const arriving = front.worker.nextExchange();
    const asking = front.post(PATH, chatBody({ stream: true }));
    const exchange = await arriving;
    exchange.accept();
    exchange.say({ type: 'delta', choice: 0, text: 'x', tokens: 1 });
    const response = await asking;
    expect(response.status).toBe(200);
    const read = reader(response);
    await read.until('"content":"x"');
    const logging = front.nextLogLine();
    breakOff(exchange);
    const rest = await read.toEnd();
    expect(rest).toMatch(/^event: error\ndata: .*\n\n$/);
    expect(sseData(rest)).toEqual([
      { error: { message: expect.any(String), type: 'server_error', param: null, code } },
    ]);
    expect(await logging).toMatchObject({ status: 200, error: code });
  });

  it('is cancelled at the worker as soon as the client leaves', async () => {
    front = await startFront();
    const arriving = front.worker.nextExchange();
    const leaving = new AbortController();
    const asking = front.post(PATH, chatBody({ stream: true }), { signal: leaving.signal });
    const exchange = await arriving;
    exchange.accept();
    await reader(await asking).until('"role":"assistant"');
    const logging = front.nextLogLine();
    leaving.abort();
    const leftAt = performance.now();
    await exchange.abandoned;
    expect(performance.now() - leftAt).toBeLessThan(100);
    expect(await logging).toMatchObject({ status: 200, isAbandoned: true });
  });

  it('is cancelled as well while the worker has not accepted it yet', async () => {
    front = await startFront();
    const arriving = front.worker.nextExchange();
    const leaving = new AbortController();
    const asking = front.post(PATH, chatBody({ stream: true }), { signal: leaving.signal });
    const exchange = await arriving;
    leaving.abort();
    await expect(asking).rejects.toThrow();
    await exchange.abandoned;
  });
});

describe('what the worker refuses', () => {
  type Code = Extract<WorkerEvent, { type: 'error' }>['code'];
  const cases: [Code, number, string][] = [
    ['context_length_exceeded', 400, 'context_length_exceeded'],
    ['template_failed', 400, 'invalid_messages'],
    ['unsupported', 400, 'unsupported_model'],
    ['overloaded', 429, 'rate_limit_exceeded'],
    ['loading', 503, 'model_loading'],
    ['draining', 503, 'model_unavailable'],
    ['wrong_version', 503, 'model_unavailable'],
    ['engine_failed', 503, 'engine_failed'],
    ['deadline_exceeded', 504, 'timeout'],
    ['invalid_request', 500, 'internal_error'],
    ['unauthorized', 500, 'internal_error'],
    ['internal', 500, 'internal_error'],
  ];

  it.each(cases)('as %s is answered with status %i', async (code, status, apiCode) => {
    front = await startFront({ answer: (exchange) => exchange.fail(code, { message: 'It has 200 of 128 tokens.' }) });
    for (const stream of [false, true]) {
      const response = await front.post(PATH, chatBody({ stream }));
      expect(response.status).toBe(status);
      const { error } = (await response.json()) as { error: Record<string, unknown> };
      expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
      expect(error.code).toBe(apiCode);
      const hidesMessage = status === 500;
      expect(error.message === 'It has 200 of 128 tokens.').toBe(!hidesMessage);
      expect(response.headers.has('retry-after')).toBe(status === 429 || status === 503);
      expect(response.headers.get('x-should-retry')).toBe(String(status === 429 || status === 503));
      expect(response.headers.get('x-request-id')).toBeTruthy();
    }
  });

  it('is 503 when there is no worker', async () => {
    const workers = [workerItem('http://127.0.0.1:1', { models: [servedModel({ state: 'loading' })] })];
    const registry = new RegistryView(async () => ({ models: [tinyModel], workers }));
    front = await startFront({ services: { fleet: { registry, workerToken: 't' } } });
    const response = await front.post(PATH, chatBody());
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ error: { code: 'model_loading', type: 'server_error' } });
  });
});

function choice(delta: object) {
  return { index: 0, delta, logprobs: null, finish_reason: null };
}

/** Reads a body as far as a test wants. */
function reader(response: Response) {
  const chunks = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let unread = '';
  return {
    /** Reads up to and with the text; what follows it is left for the next call. */
    async until(text: string): Promise<void> {
      while (!unread.includes(text)) {
        const { done, value } = await chunks.read();
        if (done) throw new Error(`The body ended before ${text}`);
        unread += value;
      }
      const frameEnd = unread.indexOf('\n\n', unread.indexOf(text));
      unread = frameEnd < 0 ? '' : unread.slice(frameEnd + 2);
    },
    async toEnd(): Promise<string> {
      for (;;) {
        const { done, value } = await chunks.read();
        if (done) return unread;
        unread += value;
      }
    },
  };
}
