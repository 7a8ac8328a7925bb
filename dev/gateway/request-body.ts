import type { IncomingMessage } from 'node:http';
import { tooLarge } from './refusals.ts';

/**
 * Reads the whole body. One that is too large is refused as soon as that is known; the rest of it is thrown away, since
 * many clients read no answer before they have sent everything.
 *
 * @throws ApiError 413
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length']) > maxBytes) throw refuseRest(request, maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw refuseRest(request, maxBytes);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

function refuseRest(request: IncomingMessage, maxBytes: number): Error {
  request.resume();
  return tooLarge(`The body of the request has more than the ${maxBytes} bytes that API Gateway takes.`);
}
