/** A worker over the simulated engine, and requests as a function would send them. */
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { pino } from 'pino';
import { createScheduler } from '#container/scheduler/index.ts';
import { startServer } from '#container/server.ts';
import { Worker } from '#container/worker.ts';
import type { GenerateRequest, WorkerEvent } from '#contract/worker.ts';
import { SimulatedEngine } from '#engine';
import { generateDraft } from '../support/generate-request.ts';
import { GREEDY } from '../support/plan-runner.ts';

export const TOKEN = 'worker-token';

export interface TestWorkerOptions {
  /** Milliseconds of a pass; 0 runs without timers. */
  passMs?: number;
  pingMs?: number;
  maxUnreadBytes?: number;
  slots?: number;
  queueLimit?: number;
  /** False leaves the worker loading. */
  isLoaded?: boolean;
}

export async function startWorker(options: TestWorkerOptions = {}) {
  const { passMs = 0, slots = 4 } = options;
  const engine = new SimulatedEngine({ slots, context: 512, ...(passMs > 0 ? { stepCost: () => passMs } : {}) });
  const queueLimit = options.queueLimit === undefined ? {} : { queueLimit: options.queueLimit };
  const scheduler = createScheduler(engine, { slots, ...queueLimit });
  const worker = new Worker({
    id: 'w1',
    engine: 'simulated',
    model: {
      model: 'm',
      version: 'v1',
      adapters: [],
      kinds: ['generate'],
      modalities: ['text'],
      context: 512,
      created: 0,
    },
  });
  if (options.isLoaded !== false) worker.serve({ engine, scheduler });
  const lines: string[] = [];
  const server = await startServer({
    worker,
    token: TOKEN,
    host: '127.0.0.1',
    port: 0,
    log: pino({}, { write: (line: string) => lines.push(line) }),
    ...(options.pingMs === undefined ? {} : { pingMs: options.pingMs }),
    ...(options.maxUnreadBytes === undefined ? {} : { maxUnreadBytes: options.maxUnreadBytes }),
  });
  return { engine, scheduler, worker, url: server.url, close: () => server.close(), logLines: lines };
}

let lastId = 0;

export function generateRequest(changes: Partial<GenerateRequest> = {}): GenerateRequest {
  const { attempt = 1, version = 'v1', ...rest } = changes;
  const draft = generateDraft('m', {
    id: `r${++lastId}`,
    input: { type: 'chat', messages: [{ role: 'user', parts: [{ type: 'text', text: 'Tell me a secret.' }] }] },
    sampling: { ...GREEDY, logitBias: [], seed: 1, ignoreEos: true },
    maxTokens: 8,
    ...rest,
  });
  return { ...draft, attempt, version };
}

export interface Exchange {
  request: ClientRequest;
  response: IncomingMessage;
  status: number;
  /** Events as they come; ends with the answer. */
  events: AsyncGenerator<WorkerEvent>;
}

export async function call(url: string, method: string, body?: string, token = TOKEN): Promise<Exchange> {
  const request = httpRequest(url, { method, headers: { authorization: `Bearer ${token}` } });
  request.on('error', () => undefined);
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return { request, response, status: response.statusCode!, events: eventsOf(response) };
}

export function generate(url: string, changes: Partial<GenerateRequest> = {}): Promise<Exchange> {
  return call(`${url}/generate`, 'POST', JSON.stringify(generateRequest(changes)));
}

async function* eventsOf(response: IncomingMessage): AsyncGenerator<WorkerEvent> {
  let rest = '';
  for await (const text of response.setEncoding('utf8')) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
}
