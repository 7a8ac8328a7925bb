import { afterEach, describe, expect, it, vi } from 'vitest';
import { WorkerEvent } from '#contract/worker.ts';
import { collect } from '../support/collect.ts';
import { call, generate, generateRequest, startWorker, type TestWorkerOptions } from './worker.ts';

type TestWorker = Awaited<ReturnType<typeof startWorker>>;

let worker: TestWorker;
afterEach(() => worker.close());

const start = async (options: TestWorkerOptions = {}) => {
  worker = await startWorker(options);
  return worker;
};

const isIdle = () => vi.waitFor(() => expect(worker.scheduler.load).toMatchObject({ running: 0, queued: 0 }));

describe('an answer', () => {
  it('is accepted, deltas and one end per choice, numbered without gaps', async () => {
    const { url } = await start();
    const events = await collect((await generate(url, { choices: 2 })).events);
    for (const event of events) expect(WorkerEvent.safeParse(event).success).toBe(true);
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index));
    expect(events[0]).toMatchObject({ type: 'accepted', version: 'v1', cachedTokens: 0 });
    const ends = events.filter((event) => event.type === 'end');
    expect(ends.map(({ choice }) => choice).sort()).toEqual([0, 1]);
    for (const end of ends) expect(end).toMatchObject({ finish: 'length', usage: { completionTokens: 8 } });
    expect(events.at(-1)!.type).toBe('end');
    const spoken = events.filter((event) => event.type === 'delta');
    expect(spoken.length).toBeGreaterThan(2);
  });

  it('counts the tokens of the prompt that the engine got', async () => {
    const { url, engine } = await start();
    const [accepted] = await collect((await generate(url, { input: { type: 'text', text: 'abc def' } })).events);
    const promptTokens = engine.tokenize('abc def', { special: true, addSpecial: true }).length;
    expect(accepted).toMatchObject({ promptTokens });
  });

  it('is pinged while it is silent', async () => {
    const { url } = await start({ passMs: 200, pingMs: 20 });
    const { events } = await generate(url, { maxTokens: 1 });
    expect((await collect(events)).filter(({ type }) => type === 'ping').length).toBeGreaterThan(0);
  });

  it('leaves one line in the log, without the prompt', async () => {
    const { url, logLines } = await start();
    await collect((await generate(url)).events);
    expect(logLines).toHaveLength(1);
    expect(JSON.parse(logLines[0]!)).toMatchObject({ model: 'm', completionTokens: 8, finish: ['length'] });
    expect(logLines[0]).not.toContain('secret');
  });
});

describe('a refusal', () => {
  const long = 'word '.repeat(600);
  it.each([
    ['another version', { version: 'v2' }, 409, 'wrong_version'],
    ['another model', { model: 'other' }, 409, 'wrong_version'],
    ['an adapter', { adapter: 'lora' }, 400, 'unsupported'],
    ['a long prompt', { input: { type: 'text' as const, text: long } }, 400, 'context_length_exceeded'],
    ['an unknown token', { input: { type: 'tokens' as const, tokens: [1_000_000] } }, 400, 'invalid_request'],
    ['an empty prompt', { input: { type: 'tokens' as const, tokens: [] } }, 400, 'invalid_request'],
    ['a deadline that has passed', { deadline: 1 }, 504, 'deadline_exceeded'],
  ])('of %s has a status and one error event', async (_, changes, status, code) => {
    const { url } = await start();
    const answer = await generate(url, changes);
    expect(answer.status).toBe(status);
    expect(await collect(answer.events)).toEqual([expect.objectContaining({ type: 'error', seq: 0, code })]);
    await isIdle();
  });

  it('tells both numbers of a prompt that is too long', async () => {
    const { url } = await start();
    const [error] = await collect((await generate(url, { input: { type: 'text', text: long } })).events);
    expect(error).toMatchObject({ message: expect.stringMatching(/ 512 tokens.* \d{3,} tokens/) });
  });

  it.each([
    ['no token', '', 401],
    ['a wrong token', 'other', 401],
  ])('of %s', async (_, token, status) => {
    const { url } = await start();
    expect((await call(`${url}/generate`, 'POST', '{}', token)).status).toBe(status);
    expect((await call(`${url}/health`, 'GET', undefined, token)).status).toBe(status);
  });

  it('of what is not JSON, not a request, or too large', async () => {
    const { url } = await start();
    for (const body of ['', '{', '[]', '{"id":1}', JSON.stringify({ ...generateRequest(), choices: 0 })]) {
      expect((await call(`${url}/generate`, 'POST', body)).status).toBe(400);
    }
    expect((await call(`${url}/generate`, 'POST', 'x'.repeat(9 << 20))).status).toBeGreaterThanOrEqual(400);
    expect((await call(`${url}/nothing`, 'GET')).status).toBe(404);
  });

  it('while the model is loading, and while the worker drains', async () => {
    const { url, worker: state } = await start({ isLoaded: false });
    expect((await generate(url)).status).toBe(503);
    expect((await call(`${url}/health`, 'GET')).status).toBe(503);
    state.refuseNewRequests();
    const [error] = await collect((await generate(url)).events);
    expect(error).toMatchObject({ code: 'draining', retryable: true });
  });

  it('of more than the queue holds', async () => {
    const { url } = await start({ slots: 1, queueLimit: 1, passMs: 5 });
    const running = await generate(url, { maxTokens: 400 });
    const waiting = await generate(url, { maxTokens: 400 });
    const refused = await generate(url);
    expect([running.status, waiting.status, refused.status]).toEqual([200, 200, 429]);
    running.request.destroy();
    waiting.request.destroy();
    await isIdle();
  });

  it('of an id that is running', async () => {
    const { url } = await start({ passMs: 5 });
    const first = await generate(url, { id: 'twice', maxTokens: 400 });
    expect((await generate(url, { id: 'twice' })).status).toBe(409);
    first.request.destroy();
    await isIdle();
  });
});

describe('a reader that leaves', () => {
  it.each([
    ['while it decodes', 1],
    ['while it waits in the queue', 4],
  ])('frees everything %s', async (_, requests) => {
    const { url } = await start({ slots: 1, passMs: 5 });
    const exchanges = [];
    for (let index = 0; index < requests; index++) exchanges.push(await generate(url, { maxTokens: 400 }));
    await exchanges[0]!.events.next();
    for (const { request } of exchanges.reverse()) request.destroy();
    await isIdle();
    worker.scheduler.checkIntegrity();
  });

  it('does not end a detached request, which another may read to the end', async () => {
    const { url } = await start({ passMs: 2 });
    const { request, events } = await generate(url, { id: 'kept', detached: true, maxTokens: 40 });
    const first = await events.next();
    request.destroy();
    expect(first.value).toMatchObject({ type: 'accepted', seq: 0 });
    const again = await call(`${url}/generate/kept?after=0`, 'GET');
    const rest = await collect(again.events);
    expect(rest[0]!.seq).toBe(1);
    expect(rest.at(-1)).toMatchObject({ type: 'end', usage: { completionTokens: 40 } });
    expect((await call(`${url}/generate/kept?after=x`, 'GET')).status).toBe(400);
    expect((await call(`${url}/generate/unknown`, 'GET')).status).toBe(404);
  });

  it('may be slow, but not without bound', async () => {
    const { url } = await start({ maxUnreadBytes: 0 });
    const { response, events } = await generate(url, { maxTokens: 400, choices: 4 });
    response.pause();
    await isIdle();
    const last = (await collect(events)).at(-1);
    expect(['error', 'end']).toContain(last!.type);
  });
});

it('announces what it can do', async () => {
  const { url } = await start();
  const { response } = await call(`${url}/capabilities`, 'GET');
  const text = (await response.setEncoding('utf8').toArray()).join('');
  expect(JSON.parse(text)).toMatchObject({ worker: 'w1', models: [{ model: 'm', version: 'v1', state: 'ready' }] });
});
