import { get as getHttp, Agent as HttpAgent, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import { get as getHttps, Agent as HttpsAgent } from 'node:https';

/**
 * `refused`: the server answered, and will answer the same again. `unreachable`: no answer came. `broken`: the answer
 * ended early, or asked to come back.
 */
export type HttpFailureKind = 'refused' | 'unreachable' | 'broken';

export class HttpFailure extends Error {
  readonly kind: HttpFailureKind;
  constructor(kind: HttpFailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HttpFailure';
    this.kind = kind;
  }
}

export interface DownloadRequest {
  token: string | undefined;
  /** Longest wait for an answer, and for more of it. */
  stallMs: number;
  /** What is there already, to be continued only while the server's ETag is still the same. */
  present: { bytes: number; etag: string } | undefined;
  signal: AbortSignal | undefined;
}

export interface Download {
  /** Status 200, 206, or 416 where nothing is left to send. */
  response: IncomingMessage;
  /** The file's sha256 as the hub knows it, told on the way to where the bytes are. */
  linkedSha256: string | undefined;
}

const MOST_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
const SHA256 = /^"?([0-9a-f]{64})"?$/;

/** Both respect HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
const AGENTS = {
  'http:': new HttpAgent({ proxyEnv: process.env }),
  'https:': new HttpsAgent({ proxyEnv: process.env }),
};

/**
 * Requests a file and follows redirects up to the answer that has it.
 * @throws {HttpFailure}
 */
export async function openDownload(from: URL, request: DownloadRequest): Promise<Download> {
  let url = from;
  let linkedSha256: string | undefined;
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const response = await sendGet(url, headersFor(url, from, request), request);
    linkedSha256 ??= SHA256.exec(String(response.headers['x-linked-etag'] ?? ''))?.[1];
    const status = response.statusCode ?? 0;
    if (status === 200 || status === 206 || (status === 416 && request.present)) return { response, linkedSha256 };
    response.destroy();
    if (!REDIRECTS.includes(status) || !response.headers.location) throw refusal(url, status);
    url = followRedirect(url, response.headers.location);
  }
  throw new HttpFailure('refused', `${from.host} redirects more than ${MOST_REDIRECTS} times`);
}

function followRedirect(from: URL, location: string): URL {
  const to = new URL(location, from);
  const isAllowed = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:');
  if (!isAllowed) throw new HttpFailure('refused', `${from.host} redirects to ${to.protocol}//${to.host}`);
  return to;
}

function headersFor(url: URL, first: URL, { token, present }: DownloadRequest): OutgoingHttpHeaders {
  return {
    'accept-encoding': 'identity',
    'user-agent': 'sluice',
    ...(token && url.host === first.host ? { authorization: `Bearer ${token}` } : {}),
    ...(present ? { range: `bytes=${present.bytes}-`, 'if-range': present.etag } : {}),
  };
}

function refusal(url: URL, status: number): HttpFailure {
  if (status === 401 || status === 403) {
    return new HttpFailure('refused', `${url.host} wants an access token for this file (status ${status}; HF_TOKEN)`);
  }
  if (status === 404) return new HttpFailure('refused', `${url.host} does not have this file (status 404)`);
  const isPassing = status >= 500 || status === 408 || status === 429;
  return new HttpFailure(isPassing ? 'broken' : 'refused', `${url.host} answered with status ${status}`);
}

function sendGet(
  url: URL,
  headers: OutgoingHttpHeaders,
  { stallMs, signal }: DownloadRequest,
): Promise<IncomingMessage> {
  const isHttps = url.protocol === 'https:';
  const get = isHttps ? getHttps : getHttp;
  const agent = AGENTS[isHttps ? 'https:' : 'http:'];
  return new Promise((resolve, reject) => {
    const request = get(url, { headers, agent, timeout: stallMs, ...(signal ? { signal } : {}) }, (response) => {
      response.once('error', () => request.destroy());
      resolve(response);
    });
    request.on('timeout', () => request.destroy(new Error(`nothing came for ${stallMs / 1000} s`)));
    request.on('error', (error) => {
      if (signal?.aborted) reject(error);
      else reject(new HttpFailure('unreachable', `${url.host}: ${error.message}`, { cause: error }));
    });
  });
}
