import { open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WantedFile } from './catalogue.ts';
import { type Download, HttpFailure, openDownload } from './http.ts';
import { FetchError, type FetchTools, megabytes, requireSpace, type Source } from './source.ts';

export interface HubOptions {
  /** Base URL. */
  endpoint: string;
  /** Access token for repositories that ask for one. */
  token?: string | undefined;
  /** A connection that brings nothing for this long is given up and continued on a new one. */
  stallMs?: number;
  /** Attempts in a row that bring nothing new, before giving up. */
  attempts?: number;
  /** Pause before the second attempt; doubles with each further one. */
  pauseMs?: number;
}

/** The Hugging Face hub, or a server that speaks like it. Continues broken downloads, of earlier starts too. */
export function hubSource({ endpoint, token, stallMs = 30_000, attempts = 4, pauseMs = 1_000 }: HubOptions): Source {
  const base = endpoint.endsWith('/') ? endpoint : `${endpoint}/`;
  return {
    name: 'the hub',
    ending: 'part',
    offers: () => true,
    discard,
    async fetch(wanted, path, tools) {
      const url = new URL(`${wanted.repo}/resolve/${wanted.revision}/${wanted.file}`, base);
      let fruitless = 0;
      let hasReceived = false;
      while (true) {
        const before = await sizeOf(path);
        try {
          return await download(url, wanted, path, { token, stallMs, ...tools });
        } catch (error) {
          if (!(error instanceof HttpFailure)) throw error;
          const present = await sizeOf(path);
          hasReceived ||= present !== before;
          fruitless = present > before ? 0 : fruitless + 1;
          const isHopeless = error.kind === 'refused' || (error.kind === 'unreachable' && !hasReceived);
          if (isHopeless || fruitless === attempts) {
            throw new FetchError('unavailable', error.message, { cause: error });
          }
          tools.log(`${error.message}; continuing after ${megabytes(present)}`);
          await sleep(pauseMs * 2 ** fruitless, undefined, { signal: tools.signal });
        }
      }
    },
  };
}

async function download(
  url: URL,
  wanted: WantedFile,
  path: string,
  { token, stallMs, progress, signal }: FetchTools & { token: string | undefined; stallMs: number },
): Promise<{ sha256?: string }> {
  const etag = await readEtag(path);
  const present = etag ? { bytes: await sizeOf(path), etag } : undefined;
  const { response, linkedSha256 } = await openDownload(url, { token, stallMs, present, signal });
  const claimed = linkedSha256 ? { sha256: linkedSha256 } : {};
  try {
    if (response.statusCode === 416) {
      if (response.headers['content-range'] === `bytes */${present?.bytes}`) return claimed;
      await discard(path);
      throw new HttpFailure('broken', `${url.host} has less of the file than is here already`);
    }
    const done = response.statusCode === 206 ? await checkContinuation(response, path, present) : 0;
    const total = done + readLength(response, url);
    if (wanted.bytes !== undefined && total !== wanted.bytes) {
      throw new HttpFailure('refused', `${url.host} has ${total} bytes of this file instead of ${wanted.bytes}`);
    }
    await requireSpace(path, total - done);
    if (done === 0) await begin(path, response.headers.etag);
    progress.start(`Downloading ${basename(wanted.file)}`, total, done);
    try {
      await receive(response, path, { progress, signal });
    } finally {
      progress.end();
    }
    return claimed;
  } finally {
    response.destroy();
  }
}

/** The bytes that the response continues after. */
async function checkContinuation(
  { headers }: IncomingMessage,
  path: string,
  present: { bytes: number; etag: string } | undefined,
): Promise<number> {
  const start = Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1]);
  if (present && start === present.bytes && headers.etag === present.etag) return start;
  await discard(path);
  throw new HttpFailure('broken', 'the server continues another file or another place');
}

function readLength({ headers }: Download['response'], url: URL): number {
  const length = Number(headers['content-length']);
  if (!Number.isSafeInteger(length)) throw new HttpFailure('refused', `${url.host} does not tell the file's size`);
  return length;
}

/** Writes each piece before it takes the next, so that a connection that breaks loses nothing that had come. */
async function receive(
  response: IncomingMessage,
  path: string,
  { progress, signal }: Pick<FetchTools, 'progress' | 'signal'>,
): Promise<void> {
  await using file = await open(path, 'a');
  const stop = () => response.destroy(signal?.reason);
  signal?.addEventListener('abort', stop);
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      await file.writeFile(chunk);
      progress.advance(chunk.length);
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (signal?.aborted) throw error;
    if (code === 'ENOSPC') throw new FetchError('no_space', `no space left for ${path}`, { cause: error });
    throw new HttpFailure('broken', `the download broke off (${message})`, { cause: error });
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

/** Only a strong ETag says that two answers are the same bytes; without one a download starts anew. */
async function begin(path: string, etag: string | undefined): Promise<void> {
  await discard(path);
  if (etag?.startsWith('"')) await writeFile(etagPath(path), etag);
}

async function discard(path: string): Promise<void> {
  await rm(path, { force: true });
  await rm(etagPath(path), { force: true });
}

const etagPath = (path: string) => `${path}.etag`;

const readEtag = (path: string) => readFile(etagPath(path), 'utf8').catch(absent(undefined));

const sizeOf = (path: string) => stat(path).then(({ size }) => size, absent(0));

function absent<T>(value: T) {
  return (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
