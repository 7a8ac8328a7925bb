/** A worker that says what a test tells it to, in the worker protocol. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { WorkerItem } from '#contract/registry.ts';
import { GenerateRequest, type WorkerEvent } from '#contract/worker.ts';

/** An event without its number. */
type Unnumbered<Event> = Event extends unknown ? Omit<Event, 'seq'> : never;
export type Said = Unnumbered<WorkerEvent>;

/** One request at the worker, and how to answer it. */
export class Exchange {
  readonly request: GenerateRequest;
  readonly authorization: string | undefined;
  /** Resolves when the connection is closed before the answer has ended. */
  readonly abandoned: Promise<void>;
  readonly #response: ServerResponse;
  #seq = 0;

  constructor(request: GenerateRequest, message: IncomingMessage, response: ServerResponse) {
    this.request = request;
    this.authorization = message.headers.authorization;
    this.#response = response;
    this.abandoned = new Promise((resolve) => {
      response.on('close', () => {
        if (!response.writableFinished) resolve();
      });
    });
  }

  say(...events: Said[]): void {
    this.write(events.map((event) => `${JSON.stringify({ ...event, seq: this.#seq++ })}\n`).join(''));
  }

  accept(promptTokens = 5): void {
    this.say({ type: 'accepted', promptTokens, cachedTokens: 0, version: this.request.version });
  }

  /** Says the text in one delta per piece, and ends. */
  answer(...pieces: string[]): void {
    this.accept();
    for (const text of pieces) this.say({ type: 'delta', choice: 0, text, tokens: 1 });
    this.finish({ completionTokens: pieces.length });
  }

  finish({ completionTokens = 1, finish = 'stop' as 'stop' | 'length' } = {}): void {
    this.say({
      type: 'end',
      choice: 0,
      finish,
      usage: { promptTokens: 5, cachedTokens: 2, completionTokens },
      timings: { queueMs: 1, prefillMs: 2, decodeMs: 3 },
    });
    this.end();
  }

  fail(code: Extract<WorkerEvent, { type: 'error' }>['code'], { retryable = false, message = 'as told' } = {}): void {
    this.say({ type: 'error', code, message, retryable });
    this.end();
  }

  write(text: string | Buffer): void {
    this.#response.write(text);
  }

  end(): void {
    this.#response.end();
  }

  cut(): void {
    this.#response.destroy();
  }
}

export class FakeWorker {
  readonly exchanges: Exchange[] = [];
  readonly #server: Server;
  readonly #waiting: ((exchange: Exchange) => void)[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param answer what is done with each request; by default nothing, until the test does it */
  static async start(answer: (exchange: Exchange) => void = () => undefined): Promise<FakeWorker> {
    const worker = new FakeWorker(
      createServer(async (message, response) => {
        const request = GenerateRequest.parse(await json(message));
        const exchange = new Exchange(request, message, response);
        worker.exchanges.push(exchange);
        answer(exchange);
        worker.#waiting.shift()?.(exchange);
      }),
    );
    worker.#server.listen(0, '127.0.0.1');
    await once(worker.#server, 'listening');
    return worker;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next request that arrives. */
  nextExchange(): Promise<Exchange> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Connections that are open, in use or not. */
  async connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** The worker as the registry knows it. */
export function workerItem(url: string, overrides: Partial<WorkerItem> = {}): WorkerItem {
  return {
    id: url,
    pool: 'primary',
    url,
    engine: 'simulated',
    models: [servedModel()],
    load: { running: 0, queued: 0, kvShare: 0, tokensPerSecond: 0 },
    prefixKeys: [],
    expires: Date.now() + 60_000,
    ...overrides,
  };
}

export function servedModel(overrides: Partial<WorkerItem['models'][number]> = {}): WorkerItem['models'][number] {
  return {
    model: 'tiny',
    version: 'v1',
    adapters: [],
    state: 'ready',
    kinds: ['generate'],
    modalities: ['text'],
    context: 128,
    created: 1_700_000_000,
    ...overrides,
  };
}

export const tinyModel = {
  id: 'tiny',
  revision: 1,
  route: { stable: 'v1' },
  versions: { v1: { state: 'ready' as const } },
  created: 1_700_000_000,
};
