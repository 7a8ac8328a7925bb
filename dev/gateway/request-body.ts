import type { IncomingMessage } from 'node:http';
import { tooLarge } from './refusals.ts';

/**
 * Reads the whole body. One that is too large is refused as soon as that is known; the rest of it is thrown away, since
 * many clients read no answer before they have sent everything.
 *
 * @throws ApiError 413
 */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const refusal = () => tooLarge(`The body of the request has more than the ${maxBytes} bytes that API Gateway takes.`);
  if (Number(request.headers['content-length']) > maxBytes) {
    request.resume();
    throw refusal();
  }
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let chunks: Buffer[] = [];
  let size = 0;
  // Listeners, not `for await`: an iterator costs as much as all the rest of this function.
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) {
      chunks.push(chunk);
      return;
    }
    chunks = [];
    reject(refusal());
  });
  request.on('end', () => resolve(Buffer.concat(chunks)));
  request.on('error', reject);
  return promise;
}
