import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

interface HubRequest {
  path: string;
  headers: IncomingHttpHeaders;
  /** First byte asked for; 0 for the whole file. */
  from: number;
  /** Whether the condition of a continuation holds, by the server's ETag. */
  isContinuation: boolean;
}

export type HubAnswer = (request: HubRequest, response: ServerResponse) => void;

/** A model hub that answers the first request by the first answer, and so on; the last answer repeats. */
export async function hubServer({ etag = '"v1"', answers }: { etag?: string; answers: readonly HubAnswer[] }) {
  const requests: HubRequest[] = [];
  const server = createServer((incoming, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(incoming.headers.range ?? '')?.[1] ?? 0);
    const isContinuation = start > 0 && incoming.headers['if-range'] === etag;
    const from = isContinuation ? start : 0;
    const request = { path: incoming.url ?? '', headers: incoming.headers, from, isContinuation };
    response.setHeader('etag', etag);
    requests.push(request);
    answers[Math.min(requests.length, answers.length) - 1]!(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { endpoint, requests, cutConnections: () => server.closeAllConnections() };
}

function begin(content: Buffer, { from, isContinuation }: HubRequest, response: ServerResponse): Buffer {
  const part = content.subarray(from);
  const range = isContinuation ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {};
  response.writeHead(isContinuation ? 206 : 200, { 'content-length': part.length, ...range });
  return part;
}

export const sends =
  (content: Buffer): HubAnswer =>
  (request, response) =>
    void response.end(begin(content, request, response));

/** Sends so many bytes, then nothing more. */
export const stallsAfter =
  (bytes: number, content: Buffer): HubAnswer =>
  (request, response) =>
    void response.write(begin(content, request, response).subarray(0, bytes));

export const answersStatus =
  (status: number, headers: Record<string, string> = {}): HubAnswer =>
  (_request, response) =>
    void response.writeHead(status, headers).end();
