/** The worker's HTTP server (contract/worker.ts). */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import * as z from 'zod';
import { GenerateRequest } from '#contract/worker.ts';
import { prepareJob } from './chat/job.ts';
import { requireToken } from './http/authorization.ts';
import { readBody } from './http/body.ts';
import { logReport } from './log.ts';
import { Refusal } from './refusal.ts';
import { toLine } from './request/event-log.ts';
import { RequestTable } from './request/request-table.ts';
import { RunningRequest } from './request/running-request.ts';
import type { Worker } from './worker.ts';

export interface WorkerServerOptions {
  worker: Worker;
  /** Every call must carry it. */
  token: string;
  host: string;
  /** 0 takes a free one. */
  port: number;
  log: Logger;
  /** Milliseconds of silence after which readers are sent a ping. Default 2,000. */
  pingMs?: number;
  /** Bytes that may wait for a slow reader. Default 4,000,000. */
  maxUnreadBytes?: number;
}

export interface WorkerServer {
  /** Base URL. */
  url: string;
  /** Cancels all requests; resolves when the last connection is closed. */
  close(): Promise<void>;
}

const PING_MS = 2_000;
const MAX_BODY_BYTES = 8 * 1024 * 1024;
/** Longer than any client keeps an idle connection, so that it is never closed under a request just sent. */
const KEEP_ALIVE_MS = 75_000;
/** Connections with an answer to finish may take this long once the server closes. */
const CLOSE_MS = 1_000;

interface Route {
  method: string;
  path: RegExp;
  answer: (message: IncomingMessage, response: ServerResponse, url: URL) => Promise<void> | void;
}

/** @throws the system's error where it cannot listen */
export async function startServer(options: WorkerServerOptions): Promise<WorkerServer> {
  const requests = new RequestTable();
  const routes = routesOf(options, requests);
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (message, response) => {
    void answer(routes, options, message, response);
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return {
    url: urlOf(server.address() as AddressInfo),
    async close() {
      const closed = once(server, 'close');
      server.close();
      requests.cancelAll();
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
      await closed;
      clearTimeout(cut);
    },
  };
}

function routesOf(options: WorkerServerOptions, requests: RequestTable): Route[] {
  const { worker } = options;
  return [
    {
      method: 'POST',
      path: /^\/generate$/,
      answer: (message, response) => generate(options, requests, message, response),
    },
    {
      method: 'GET',
      path: /^\/generate\/[^/]+$/,
      answer: (_, response, url) => attachAgain(requests, response, url),
    },
    {
      method: 'GET',
      path: /^\/capabilities$/,
      answer: (_, response) => sendJson(response, 200, worker.capabilities),
    },
    {
      method: 'GET',
      path: /^\/health$/,
      answer: (_, response) => sendHealth(worker, response),
    },
  ];
}

async function answer(
  routes: readonly Route[],
  { token, log }: WorkerServerOptions,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    requireToken(message, token);
    const url = URL.parse(message.url ?? '/', 'http://worker');
    const route = routes.find(({ method, path }) => method === message.method && path.test(url?.pathname ?? ''));
    if (url === null || route === undefined) throw noRoute();
    await route.answer(message, response, url);
  } catch (error) {
    sendRefusal(message, response, toRefusal(error, log));
  }
}

async function generate(
  { worker, log, pingMs = PING_MS, maxUnreadBytes }: WorkerServerOptions,
  requests: RequestTable,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const arrivedAt = performance.now();
  const request = await readBody(message, GenerateRequest, MAX_BODY_BYTES);
  const { engine, scheduler } = worker.admit(request);
  const running = new RunningRequest({
    request,
    arrivedAt,
    pingMs,
    ...(maxUnreadBytes === undefined ? {} : { maxUnreadBytes }),
    onEnd: (report) => {
      logReport(log, report);
      requests.retire(running);
    },
  });
  requests.add(running);
  const cancel = () => running.cancel();
  if (!request.detached) response.once('close', cancel);
  try {
    await running.submit(await prepareJob(engine, request), scheduler);
    response.off('close', cancel);
    running.attach(response, -1);
  } catch (error) {
    const refusal = toRefusal(error, log);
    running.refuse(refusal);
    throw refusal;
  }
}

const After = z.coerce.number().int().min(-1);

function attachAgain(requests: RequestTable, response: ServerResponse, url: URL): void {
  const after = After.safeParse(url.searchParams.get('after') ?? -1);
  if (!after.success) throw new Refusal('invalid_request', "'after' is the number of an event.");
  requests.get(requestIdOf(url)).attach(response, after.data);
}

function requestIdOf(url: URL): string {
  try {
    return decodeURIComponent(url.pathname.slice('/generate/'.length));
  } catch {
    throw noRoute();
  }
}

function noRoute(): Refusal {
  return new Refusal('invalid_request', 'There is no such route.', { status: 404 });
}

function sendHealth(worker: Worker, response: ServerResponse): void {
  const { state, loaded } = worker;
  sendJson(response, state === 'ready' ? 200 : 503, { state, loaded });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function sendRefusal(message: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const { code, retryable, status } = refusal;
  response.writeHead(status, {
    'content-type': 'application/x-ndjson',
    // What is left of an unread body cannot be told from the next request.
    ...(message.complete ? {} : { connection: 'close' }),
  });
  response.end(toLine({ type: 'error', code, message: refusal.message, retryable }, 0));
}

function toRefusal(error: unknown, log: Logger): Refusal {
  if (error instanceof Refusal) return error;
  log.error({ err: error }, 'a request failed');
  return new Refusal('internal', 'The worker had an error.', { cause: error });
}

function urlOf({ address, family, port }: AddressInfo): string {
  return family === 'IPv6' ? `http://[${address}]:${port}` : `http://${address}:${port}`;
}
