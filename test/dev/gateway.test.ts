import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { afterEach, describe, expect, it } from 'vitest';
import { ErrorBody } from '#contract/openai/error.ts';
import type { LambdaContext, LambdaHandler } from '#dev/gateway/lambda-runtime.ts';
import { type Gateway, type GatewayOptions, PortTakenError, startGateway } from '#dev/gateway.ts';

let gateway: Gateway;
afterEach(() => gateway.close({ graceMs: 0 }));

/** A gateway whose functions all do the same. */
async function start(handler: LambdaHandler, options: Partial<GatewayOptions> = {}): Promise<void> {
  gateway = await startGateway({ host: '127.0.0.1', port: 0, loadHandler: async () => handler, ...options });
}

const answerWith =
  (text: string): LambdaHandler =>
  async (_event, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    response.end(text);
  };

/** Answers with the event it got, and the file whose function it stands for. */
const echoing: Partial<GatewayOptions> = {
  loadHandler: async (file) => async (event, response) => {
    response.writeHead(200);
    response.end(JSON.stringify({ file, ...event }));
  },
};

type Echo = APIGatewayProxyEvent & { file: string };
const echoOf = async (path: string, init?: RequestInit) =>
  (await (await fetch(gateway.url + path, init)).json()) as Echo;

async function errorOf(response: Response) {
  expect(response.headers.get('x-request-id')).toBeTruthy();
  return { status: response.status, ...ErrorBody.parse(await response.json()).error };
}

describe('an event', () => {
  it("has the shape of API Gateway's REST proxy events", async () => {
    await start(answerWith(''), echoing);
    const event = await echoOf('/v1/models/a%2Fb?x=1&x=2&y=%20', { headers: { 'X-Thing': 'y' } });
    expect(event).toMatchObject({
      file: 'model.ts',
      resource: '/v1/models/{model}',
      path: '/v1/models/a%2Fb',
      httpMethod: 'GET',
      pathParameters: { model: 'a/b' },
      queryStringParameters: { x: '2', y: ' ' },
      multiValueQueryStringParameters: { x: ['1', '2'], y: [' '] },
      body: null,
      isBase64Encoded: false,
      stageVariables: null,
      requestContext: { resourcePath: '/v1/models/{model}', httpMethod: 'GET' },
    });
    expect(event.headers['x-thing'] ?? event.headers['X-Thing']).toBe('y');
  });

  it('has text as it is and bytes in base64', async () => {
    await start(answerWith(''), echoing);
    const text = await echoOf('/v1/chat/completions', { method: 'POST', body: 'Grüße 👋' });
    expect(text).toMatchObject({ file: 'chat-completions.ts', body: 'Grüße 👋', isBase64Encoded: false });
    const headers = { 'content-type': 'application/octet-stream' };
    const bytes = await echoOf('/v1/chat/completions', { method: 'POST', headers, body: Buffer.of(0, 255) });
    expect(bytes).toMatchObject({ body: 'AP8=', isBase64Encoded: true });
  });

  it.each([
    ['GET', '/', 'not-found.ts', '/'],
    ['GET', '/a/b', 'not-found.ts', '/{proxy+}'],
    ['PUT', '/v1/models', 'not-found.ts', '/v1/models'],
    ['GET', '/v1/models', 'models.ts', '/v1/models'],
    ['GET', '//evil/v1/models', 'not-found.ts', '/{proxy+}'],
  ])('goes to the function of its route: %s %s', async (method, path, file, resource) => {
    await start(answerWith(''), echoing);
    expect(await echoOf(path, { method })).toMatchObject({ file, resource });
  });
});

describe('too much', () => {
  it('is a body over the limit, announced or not, and the connection lives on', async () => {
    await start(answerWith('x'), { maxBodyBytes: 1_000 });
    const post = (body: RequestInit['body']) =>
      fetch(gateway.url, { method: 'POST', body, duplex: 'half' } as RequestInit);
    const tooMuch = { status: 413, code: 'request_too_large', type: 'invalid_request_error', param: null };
    expect(await errorOf(await post('x'.repeat(1_001)))).toMatchObject(tooMuch);
    const unannounced = new ReadableStream({
      start(controller) {
        for (let count = 0; count < 20; count++) controller.enqueue(Buffer.alloc(100_000));
        controller.close();
      },
    });
    expect(await errorOf(await post(unannounced))).toMatchObject(tooMuch);
    expect((await post('x'.repeat(1_000))).status).toBe(200);
  });

  it('is an event over the limit once it is encoded', async () => {
    const maxEventBytes = 300_000;
    await start(answerWith('x'), { maxEventBytes });
    const post = (body: string) => fetch(gateway.url, { method: 'POST', body });
    expect((await post('x'.repeat(200_000))).status).toBe(200);
    expect(await errorOf(await post('"'.repeat(200_000)))).toMatchObject({ status: 413, code: 'request_too_large' });
  });

  it("has Lambda's and API Gateway's limits by default", async () => {
    await start(answerWith('x'));
    const post = (body: string) => fetch(gateway.url, { method: 'POST', body });
    expect((await post('x'.repeat(6_200_000))).status).toBe(200);
    expect(await errorOf(await post('x'.repeat(6_291_456)))).toMatchObject({ status: 413 });
    expect(await errorOf(await post('\n'.repeat(3_200_000)))).toMatchObject({ status: 413 });
    expect(await errorOf(await post('x'.repeat(10 * 1024 * 1024 + 1)))).toMatchObject({ status: 413 });
  });
});

describe('a function', () => {
  it('that fails before it answers is 502, and told', async () => {
    const told: unknown[] = [];
    const failure = new Error('boom');
    await start(async () => Promise.reject(failure), { onFunctionError: (error) => told.push(error) });
    expect(await errorOf(await fetch(gateway.url))).toMatchObject({ status: 502, type: 'server_error' });
    expect(told).toEqual([failure]);
  });

  it('that fails in the middle cuts its answer', async () => {
    await start(async (_event, response) => {
      response.writeHead(200);
      response.write('half');
      throw new Error('boom');
    });
    const response = await fetch(gateway.url).catch(() => undefined);
    await expect(response === undefined ? Promise.reject(new Error('cut')) : response.text()).rejects.toThrow();
  });

  it('that takes too long is 504', async () => {
    await start(() => new Promise(() => undefined), { functionTimeoutMs: 20 });
    expect(await errorOf(await fetch(gateway.url))).toMatchObject({ status: 504, code: 'timeout' });
  });

  it('knows how long it may run', async () => {
    let remaining = 0;
    await start(async (event, response, context) => {
      remaining = context.getRemainingTimeInMillis();
      await answerWith('')(event, response, context);
    });
    await fetch(gateway.url);
    expect(remaining).toBeGreaterThan(890_000);
    expect(Number.isInteger(remaining)).toBe(true);
  });

  it('hears at once when the client leaves', async () => {
    const running = Promise.withResolvers<LambdaContext>();
    await start((_event, _response, context) => {
      running.resolve(context);
      return new Promise(() => undefined);
    });
    const leaving = new AbortController();
    const asking = fetch(gateway.url, { signal: leaving.signal });
    const { clientGone } = await running.promise;
    expect(clientGone.aborted).toBe(false);
    const gone = once(clientGone, 'abort');
    leaving.abort();
    await expect(asking).rejects.toThrow();
    await gone;
  });

  it('is not told that the client left when it was answered', async () => {
    let signal: AbortSignal | undefined;
    await start(async (event, response, context) => {
      signal = context.clientGone;
      await answerWith('x')(event, response, context);
    });
    await (await fetch(gateway.url)).text();
    await gateway.close({ graceMs: 1_000 });
    expect(signal?.aborted).toBe(false);
  });
});

describe('closing', () => {
  /** A request that has begun to be answered, and the function's way to end it. */
  async function startSlow(): Promise<{ answering: Promise<string>; finish: () => void }> {
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    await start(async (_event, response) => {
      response.writeHead(200);
      response.write('begun ');
      await finished;
      response.end('ended');
    });
    const response = await fetch(gateway.url);
    return { answering: response.text(), finish };
  }

  it('waits for requests that run', async () => {
    const { answering, finish } = await startSlow();
    const closing = gateway.close({ graceMs: 60_000 });
    finish();
    expect(await answering).toBe('begun ended');
    await closing;
  });

  it('does not wait for connections that clients opened in advance', async () => {
    await start(answerWith('x'));
    const { port, hostname } = new URL(gateway.url);
    const unused = connect(Number(port), hostname);
    const gone = once(unused, 'close');
    await once(unused, 'connect');
    // Connections are accepted in order: once the later one is answered, the server has the earlier one.
    await (await fetch(gateway.url)).text();
    await gateway.close({ graceMs: 60_000 });
    await gone;
  });

  it('cuts what still runs when the time is over', async () => {
    const { answering } = await startSlow();
    const cut = expect(answering).rejects.toThrow();
    await gateway.close({ graceMs: 10 });
    await cut;
  });

  it('ends at once when asked twice', async () => {
    const { answering } = await startSlow();
    const cut = expect(answering).rejects.toThrow();
    const closing = gateway.close({ graceMs: 60_000 });
    await gateway.close({ graceMs: 60_000 });
    await closing;
    await cut;
  });

  it('takes no new connection, and closes the old one after its answer', async () => {
    const running = Promise.withResolvers<void>();
    const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
    await start(async (event, response, context) => {
      running.resolve();
      await finished;
      await answerWith('ended')(event, response, context);
    });
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    const answering = text(socket);
    await running.promise;
    const closing = gateway.close({ graceMs: 60_000 });
    await expect(fetch(`http://${hostname}:${port}`)).rejects.toThrow();
    finish();
    expect(await answering).toMatch(/^HTTP\/1\.1 200 OK.*ended/s);
    await closing;
  });
});

describe('the network', () => {
  it('may have the port taken', async () => {
    await start(answerWith('x'));
    const port = Number(new URL(gateway.url).port);
    await expect(
      startGateway({ host: '127.0.0.1', port, loadHandler: async () => answerWith('x') }),
    ).rejects.toBeInstanceOf(PortTakenError);
  });

  it('may bring what is not HTTP', async () => {
    await start(answerWith('x'));
    const { port, hostname } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    socket.end('nonsense\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    ErrorBody.parse(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))));
  });
});
