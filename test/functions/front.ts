/** The functions behind the real gateway, in front of a fake worker. */
import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { LambdaHandler } from '#dev/gateway/lambda-runtime.ts';
import { type Gateway, type GatewayOptions, startGateway } from '#dev/gateway.ts';
import { RegistryView } from '#fleet/registry-view.ts';
import { ApiKeys } from '#functions/http/api-keys.ts';
import type { Services } from '#functions/http/services.ts';
import { type Exchange, FakeWorker, tinyModel, workerItem } from '../fleet/fake-worker.ts';

export const API_KEY = 'sk-test-key';

export interface Front {
  url: string;
  gateway: Gateway;
  worker: FakeWorker;
  /** What was logged, line by line. */
  log: string[];
  /** Resolves with the next line that is logged. */
  nextLogLine(): Promise<Record<string, unknown>>;
  /** Sends JSON with a valid key. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  get(path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

interface FrontOptions {
  /** What the worker does with each request. */
  answer?: (exchange: Exchange) => void;
  services?: Partial<Services>;
  silenceMs?: number;
  gateway?: Partial<GatewayOptions>;
}

export async function startFront(options: FrontOptions = {}): Promise<Front> {
  const worker = await FakeWorker.start(options.answer);
  const { log, stream, nextLogLine } = logCapture();
  const registry = new RegistryView(async () => ({ models: [tinyModel], workers: [workerItem(worker.url)] }));
  const services: Services = {
    apiKeys: new ApiKeys([API_KEY, 'sk-other']),
    ignoredParameters: new Set(),
    fleet: { registry, workerToken: 'worker-token', silenceMs: options.silenceMs ?? 6_000 },
    log: pino(stream),
    heartbeatMs: 10_000,
    ...options.services,
  };
  const gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    loadHandler: (file) => loadHandler(file, services),
    ...options.gateway,
  });
  const withKey = (headers: RequestInit['headers']) => ({
    authorization: `Bearer ${API_KEY}`,
    ...(headers as Record<string, string>),
  });
  return {
    url: gateway.url,
    gateway,
    worker,
    log,
    nextLogLine,
    post: (path, body, init = {}) =>
      fetch(gateway.url + path, {
        method: 'POST',
        body: JSON.stringify(body),
        ...init,
        headers: withKey(init.headers),
      }),
    get: (path, init = {}) => fetch(gateway.url + path, { ...init, headers: withKey(init.headers) }),
    close: async () => {
      await gateway.close({ graceMs: 0 });
      await worker.close();
    },
  };
}

async function loadHandler(file: string, services: Services): Promise<LambdaHandler> {
  const module: { createHandler: (services: () => Services) => unknown } = await import(
    new URL(`../../functions/${file}`, import.meta.url).href
  );
  return module.createHandler(() => services) as LambdaHandler;
}

function logCapture() {
  const log: string[] = [];
  const waiting: ((line: Record<string, unknown>) => void)[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const line = chunk.toString();
      log.push(line);
      waiting.shift()?.(JSON.parse(line));
      done();
    },
  });
  const nextLogLine = () => new Promise<Record<string, unknown>>((resolve) => waiting.push(resolve));
  return { log, stream, nextLogLine };
}

export const chatBody = (fields: object = {}) => ({
  model: 'tiny',
  messages: [{ role: 'user', content: 'Hello' }],
  ...fields,
});

/** The data of the server-sent events, `[DONE]` as it is. */
export function sseData(text: string): unknown[] {
  return text
    .split('\n\n')
    .flatMap((frame) => frame.split('\n').filter((line) => line.startsWith('data: ')))
    .map((line) => line.slice('data: '.length))
    .map((data) => (data === '[DONE]' ? data : JSON.parse(data)));
}
