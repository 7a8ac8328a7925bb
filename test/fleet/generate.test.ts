import { afterEach, describe, expect, it } from 'vitest';
import type { Spoken } from '#fleet/event-reader.ts';
import { FleetFailure } from '#fleet/failure.ts';
import { generate } from '#fleet/generate.ts';
import { RegistryView } from '#fleet/registry-view.ts';
import { collect } from '../support/collect.ts';
import { generateDraft } from '../support/generate-request.ts';
import { GREEDY } from '../support/plan-runner.ts';
import { type Exchange, FakeWorker, tinyModel, workerItem } from './fake-worker.ts';

const draft = generateDraft('tiny', { sampling: { ...GREEDY, logitBias: [], temperature: 1, seed: 1 } });

const workers: FakeWorker[] = [];
afterEach(async () => void (await Promise.all(workers.splice(0).map((worker) => worker.close()))));

async function startWorker(answer?: (exchange: Exchange) => void): Promise<FakeWorker> {
  const worker = await FakeWorker.start(answer);
  workers.push(worker);
  return worker;
}

interface Asking {
  signal?: AbortSignal;
  silenceMs?: number;
  choices?: number;
}

function ask(urls: string[], { signal = new AbortController().signal, silenceMs, choices = 1 }: Asking = {}) {
  const items = urls.map((url, index) =>
    // The first is the idlest, so that it is the first to be asked.
    workerItem(url, { load: { running: index, queued: 0, kvShare: 0, tokensPerSecond: 0 } }),
  );
  const registry = new RegistryView(async () => ({ models: [tinyModel], workers: items }));
  const fleet = { registry, workerToken: 'worker-token', ...(silenceMs === undefined ? {} : { silenceMs }) };
  return generate(fleet, { ...draft, choices }, signal);
}

async function spokenIn(batches: AsyncIterable<readonly Spoken[]>): Promise<Spoken[]> {
  return (await collect(batches)).flat();
}

async function failureOf(batches: AsyncIterable<readonly Spoken[]>): Promise<FleetFailure> {
  const outcome = await spokenIn(batches).catch((error: unknown) => error);
  if (outcome instanceof FleetFailure) return outcome;
  throw new Error('No FleetFailure was thrown', { cause: outcome });
}

const textOf = (events: Spoken[]) => events.map((event) => (event.type === 'delta' ? event.text : '')).join('');

describe('a request to the fleet', () => {
  it('reaches a worker with its token, version and attempt, and brings its events back in order', async () => {
    const worker = await startWorker((exchange) => exchange.answer('Hel', 'lo'));
    const events = await spokenIn(ask([worker.url]));
    expect(events.map((event) => event.type)).toEqual(['accepted', 'delta', 'delta', 'end']);
    expect(textOf(events)).toBe('Hello');
    expect(worker.exchanges[0]?.authorization).toBe('Bearer worker-token');
    expect(worker.exchanges[0]?.request).toEqual({ ...draft, version: 'v1', attempt: 1 });
  });

  it('uses one connection after another request has ended', async () => {
    const worker = await startWorker((exchange) => exchange.answer('x'));
    for (let round = 0; round < 3; round++) await spokenIn(ask([worker.url]));
    expect(await worker.connections()).toBe(1);
  });

  it('understands lines and characters that arrive in pieces', async () => {
    const worker = await startWorker();
    const arriving = worker.nextExchange();
    const answering = spokenIn(ask([worker.url]));
    const exchange = await arriving;
    exchange.accept();
    const bytes = Buffer.from('{"type":"delta","seq":1,"choice":0,"text":"héllo 👋","tokens":1}\n');
    for (const byte of bytes) exchange.write(Buffer.of(byte));
    exchange.write('{"type":"end","seq":2,"choice":0,"finish":"stop","usage":');
    exchange.write('{"promptTokens":1,"cachedTokens":0,"completionTokens":1},');
    exchange.write('"timings":{"queueMs":0,"prefillMs":0,"decodeMs":0}}\n');
    exchange.end();
    expect(textOf(await answering)).toBe('héllo 👋');
  });

  it('brings events of one read together', async () => {
    const worker = await startWorker((exchange) => {
      exchange.say(
        { type: 'accepted', promptTokens: 1, cachedTokens: 0, version: 'v1' },
        { type: 'delta', choice: 0, text: 'a', tokens: 1 },
        { type: 'delta', choice: 0, text: 'b', tokens: 1 },
      );
      exchange.finish();
    });
    const first = (await ask([worker.url]).next()).value;
    expect(first?.length).toBeGreaterThanOrEqual(3);
  });

  it('closes the connection as soon as it is aborted', async () => {
    const worker = await startWorker((exchange) => exchange.accept());
    const arriving = worker.nextExchange();
    const leaving = new AbortController();
    const failing = failureOf(ask([worker.url], { signal: leaving.signal }));
    const exchange = await arriving;
    leaving.abort();
    await exchange.abandoned;
    expect(await failing).toMatchObject({ code: 'cancelled', retryable: false });
  });

  it('closes the connection when it is aborted before the worker has answered', async () => {
    const worker = await startWorker();
    const arriving = worker.nextExchange();
    const leaving = new AbortController();
    const failing = failureOf(ask([worker.url], { signal: leaving.signal }));
    const exchange = await arriving;
    leaving.abort();
    await exchange.abandoned;
    expect(await failing).toMatchObject({ code: 'cancelled' });
  });

  it('is not sent at all when it was aborted before', async () => {
    const worker = await startWorker((exchange) => exchange.answer('x'));
    expect(await failureOf(ask([worker.url], { signal: AbortSignal.abort() }))).toMatchObject({ code: 'cancelled' });
  });

  it('fails where the model is unknown', async () => {
    const registry = new RegistryView(async () => ({ models: [], workers: [] }));
    const batches = generate({ registry, workerToken: 't' }, draft, new AbortController().signal);
    expect(await failureOf(batches)).toMatchObject({ code: 'model_not_found' });
  });
});

describe('another attempt', () => {
  const unreachable = 'http://127.0.0.1:1';

  it('goes to another worker where the first cannot be reached', async () => {
    const worker = await startWorker((exchange) => exchange.answer('x'));
    expect(textOf(await spokenIn(ask([unreachable, worker.url])))).toBe('x');
    expect(worker.exchanges[0]?.request.attempt).toBe(2);
  });

  it('goes to the same worker where there is no other', async () => {
    const worker = await startWorker((exchange) => {
      if (exchange.request.attempt === 1) exchange.cut();
      else exchange.answer('x');
    });
    expect(textOf(await spokenIn(ask([worker.url])))).toBe('x');
    expect(worker.exchanges).toHaveLength(2);
  });

  it('follows a refusal that may pass', async () => {
    const worker = await startWorker((exchange) => {
      if (exchange.request.attempt === 1) exchange.fail('draining', { retryable: true });
      else exchange.answer('x');
    });
    expect(textOf(await spokenIn(ask([worker.url])))).toBe('x');
  });

  it('follows a failure of the engine before the first token', async () => {
    const worker = await startWorker((exchange) => {
      if (exchange.request.attempt === 2) return exchange.answer('x');
      exchange.accept();
      exchange.fail('engine_failed', { retryable: true });
    });
    expect(textOf(await spokenIn(ask([worker.url])))).toBe('x');
  });

  it('is the last one', async () => {
    const worker = await startWorker((exchange) => exchange.fail('overloaded', { retryable: true }));
    expect(await failureOf(ask([worker.url]))).toMatchObject({ code: 'overloaded', retryable: true });
    expect(worker.exchanges).toHaveLength(2);
    expect(await failureOf(ask([unreachable]))).toMatchObject({ code: 'worker_unreachable', retryable: true });
  });

  it('sees a worker that has replaced the one that died', async () => {
    const replacement = await startWorker((exchange) => exchange.answer('x'));
    let serving = [workerItem(unreachable, { id: 'dead' })];
    const registry = new RegistryView(async () => ({ models: [tinyModel], workers: serving }));
    await registry.snapshot();
    serving = [workerItem(replacement.url, { id: 'replacement' })];
    const events = await spokenIn(
      generate({ registry, workerToken: 'worker-token' }, draft, new AbortController().signal),
    );
    expect(events.at(-1)!.type).toBe('end');
  });

  it('is not made where the request itself is refused', async () => {
    const worker = await startWorker((exchange) => exchange.fail('context_length_exceeded', { message: '200 of 128' }));
    expect(await failureOf(ask([worker.url]))).toMatchObject({
      code: 'context_length_exceeded',
      message: '200 of 128',
    });
    expect(worker.exchanges).toHaveLength(1);
  });

  it('is not made once text has come', async () => {
    const worker = await startWorker((exchange) => {
      exchange.accept();
      exchange.say({ type: 'delta', choice: 0, text: 'x', tokens: 1 });
      exchange.fail('engine_failed', { retryable: true });
    });
    expect(await failureOf(ask([worker.url]))).toMatchObject({ code: 'engine_failed' });
    expect(worker.exchanges).toHaveLength(1);
  });
});

describe('a worker that fails while it answers', () => {
  it.each([
    ['breaks the connection', (exchange: Exchange) => exchange.cut()],
    ['ends too early', (exchange: Exchange) => exchange.end()],
  ])('is lost when it %s', async (_, breakOff) => {
    const worker = await startWorker((exchange) => exchange.accept());
    const batches = ask([worker.url]);
    expect((await batches.next()).value?.[0]?.type).toBe('accepted');
    const exchange = worker.exchanges[0];
    if (exchange) breakOff(exchange);
    expect(await failureOf(batches)).toMatchObject({ code: 'worker_lost', retryable: false });
  });

  it('is given up when it says nothing any more', async () => {
    const worker = await startWorker((exchange) => exchange.accept());
    const failure = await failureOf(ask([worker.url], { silenceMs: 50 }));
    expect(failure).toMatchObject({ code: 'worker_silent', retryable: false });
    await worker.exchanges[0]?.abandoned;
  });

  it('is lost when it ends only one of two choices', async () => {
    const worker = await startWorker((exchange) => exchange.answer('x'));
    expect(await failureOf(ask([worker.url], { choices: 2 }))).toMatchObject({ code: 'worker_lost' });
  });

  it.each([
    ['a line that is not JSON', 'nonsense\n'],
    ['a line that is no event', '{"type":"delta","seq":1}\n'],
    ['an event of an unknown type', '{"type":"song","seq":1}\n'],
    ['a gap', '{"type":"ping","seq":2}\n'],
    ['an acceptance in the middle', '{"type":"accepted","seq":1,"promptTokens":1,"cachedTokens":0,"version":"v1"}\n'],
    ['a choice that was not asked for', '{"type":"delta","seq":1,"choice":7,"text":"x","tokens":1}\n'],
    ['a line without end', 'x'.repeat(1_000_001)],
  ])('is garbled when it sends %s', async (_, text) => {
    const worker = await startWorker((exchange) => {
      exchange.accept();
      exchange.write(text);
    });
    const failure = await failureOf(ask([worker.url]));
    expect(failure).toMatchObject({ code: 'worker_garbled', retryable: false });
    await worker.exchanges[0]?.abandoned;
  });
});
