/**
 * API Gateway's and Lambda's place on a laptop: REST proxy events in, streamed responses out, and the same function
 * files that are deployed.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { ApiError } from '#functions/http/api-error.ts';
import { fallbackFile, routes } from '#functions/routes.ts';
import { installLambdaRuntime, type LambdaHandler, lambdaContext, tellClientGone } from './gateway/lambda-runtime.ts';
import { toProxyEvent } from './gateway/proxy-event.ts';
import { functionFailed, functionTimedOut, refuse, refuseConnection, tooLarge } from './gateway/refusals.ts';
import { readBody } from './gateway/request-body.ts';
import { type RouteMatch, RouteTable } from './gateway/route-table.ts';

export interface GatewayOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Bytes of a request body; API Gateway's own limit by default. */
  maxBodyBytes?: number;
  /** Bytes of the event as JSON; Lambda's own limit by default. */
  maxEventBytes?: number;
  /** Milliseconds a function may run; Lambda's own limit by default. */
  functionTimeoutMs?: number;
  /** Where a function's handler comes from; by default its file in `functions/`. */
  loadHandler?: (file: string) => Promise<LambdaHandler>;
  /** Told of functions that failed without answering. */
  onFunctionError?: (error: unknown, file: string) => void;
}

export interface Gateway {
  /** Without a slash at the end. */
  readonly url: string;
  /**
   * Takes no more requests and waits for those that run, `graceMs` at most; then, or when called again, cuts them.
   * Resolves when no connection is left.
   */
  close(options: { graceMs: number }): Promise<void>;
}

export class PortTakenError extends Error {
  constructor(host: string, port: number, options: ErrorOptions) {
    super(`Port ${port} of ${host} is taken by another program.`, options);
    this.name = 'PortTakenError';
  }
}

const MAX_BODY_BYTES = 10 * 1024 * 1024;
const MAX_EVENT_BYTES = 6 * 1024 * 1024;
const FUNCTION_TIMEOUT_MS = 900_000;
/** Longer than clients keep an idle connection, so that it is they who close it, never while they send. */
const KEEP_ALIVE_MS = 75_000;

/** @throws PortTakenError, or what the network says otherwise */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const functions = await loadFunctions(options.loadHandler ?? loadFunctionFile);
  const gateway = new LocalGateway(options, functions);
  await gateway.listen();
  return gateway;
}

async function loadFunctions(load: (file: string) => Promise<LambdaHandler>): Promise<Map<string, LambdaHandler>> {
  installLambdaRuntime();
  const files = new Set([...routes.map((route) => route.file), fallbackFile]);
  return new Map(await Promise.all([...files].map(async (file) => [file, await load(file)] as const)));
}

async function loadFunctionFile(file: string): Promise<LambdaHandler> {
  const module: { handler: LambdaHandler } = await import(new URL(`../functions/${file}`, import.meta.url).href);
  return module.handler;
}

class LocalGateway implements Gateway {
  readonly #options: GatewayOptions;
  readonly #functions: ReadonlyMap<string, LambdaHandler>;
  readonly #routes = new RouteTable(routes);
  readonly #server: Server;
  /** Connections without a request so far; Node's server closes idle connections only once they have had one. */
  readonly #unused = new Set<Socket>();
  #closed: Promise<unknown> | undefined;

  constructor(options: GatewayOptions, functions: ReadonlyMap<string, LambdaHandler>) {
    this.#options = options;
    this.#functions = functions;
    this.#server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
      this.#unused.delete(request.socket);
      void this.#answer(request, response);
    });
    this.#server.on('connection', (socket) => {
      this.#unused.add(socket);
      socket.once('close', () => this.#unused.delete(socket));
    });
    this.#server.on('clientError', refuseConnection);
  }

  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `http://[${address}]:${port}` : `http://${address}:${port}`;
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options;
    this.#server.listen(port, host);
    try {
      await once(this.#server, 'listening');
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      throw isTaken ? new PortTakenError(host, port, { cause: error }) : error;
    }
  }

  async close({ graceMs }: { graceMs: number }): Promise<void> {
    if (this.#closed !== undefined) this.#server.closeAllConnections();
    this.#closed ??= this.#drain(graceMs);
    await this.#closed;
  }

  async #drain(graceMs: number): Promise<void> {
    const closed = once(this.#server, 'close');
    const cut = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    this.#server.close();
    for (const socket of this.#unused) socket.destroy();
    await closed;
    clearTimeout(cut);
  }

  /** Never rejects: whatever goes wrong becomes an answer, or the end of one. */
  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const clientGone = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) {
        clientGone.abort();
        tellClientGone(response);
      }
      if (this.#closed !== undefined) this.#server.closeIdleConnections();
    });
    // What is written after that is lost; `clientGone` has told why.
    response.on('error', () => undefined);
    try {
      await this.#invoke(request, response, clientGone.signal);
    } catch (error) {
      if (!clientGone.signal.aborted) refuse(response, error instanceof ApiError ? error : functionFailed());
    }
  }

  async #invoke(request: IncomingMessage, response: ServerResponse, clientGone: AbortSignal): Promise<void> {
    const [path = '/', query = ''] = splitOnce(request.url ?? '/', '?');
    const match = this.#routes.match(request.method ?? 'GET', path);
    const body = await readBody(request, this.#options.maxBodyBytes ?? MAX_BODY_BYTES);
    const event = toProxyEvent(request, path, query, match, body);
    refuseLargeEvent(event, body.length, this.#options.maxEventBytes ?? MAX_EVENT_BYTES);
    await this.#run(match, event, response, clientGone);
  }

  async #run(match: RouteMatch, event: object, response: ServerResponse, clientGone: AbortSignal): Promise<void> {
    const timeoutMs = this.#options.functionTimeoutMs ?? FUNCTION_TIMEOUT_MS;
    const timeout = setTimeout(() => refuse(response, functionTimedOut()), timeoutMs);
    const context = lambdaContext(match.file, performance.now() + timeoutMs, clientGone);
    try {
      await this.#functionIn(match.file)(event, response, context);
    } catch (error) {
      if (!clientGone.aborted) this.#options.onFunctionError?.(error, match.file);
      throw error;
    } finally {
      clearTimeout(timeout);
    }
  }

  #functionIn(file: string): LambdaHandler {
    const handler = this.#functions.get(file);
    if (handler === undefined) throw new TypeError(`No function was loaded from ${file}`);
    return handler;
  }
}

/** No byte of a body becomes more than this in JSON (`\u0000`). */
const MOST_JSON_BYTES_PER_BYTE = 6;
/** What an event holds besides its body, generously: Node takes no more than 16 KiB of headers. */
const EVENT_MARGIN_BYTES = 256 * 1024;

/** Lambda's limit is on the encoded event: base64 and escaped quotes count. Only a large body is worth encoding it. */
function refuseLargeEvent(event: object, bodyBytes: number, maxBytes: number): void {
  if (bodyBytes * MOST_JSON_BYTES_PER_BYTE + EVENT_MARGIN_BYTES <= maxBytes) return;
  const eventBytes = Buffer.byteLength(JSON.stringify(event));
  if (eventBytes > maxBytes) {
    throw tooLarge(`The request has ${eventBytes} bytes when encoded for Lambda, more than the ${maxBytes} allowed.`);
  }
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}
