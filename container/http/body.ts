import type { IncomingMessage } from 'node:http';
import type * as z from 'zod';
import { Refusal } from '../refusal.ts';

/**
 * Reads a JSON body that has the schema's shape.
 *
 * @throws Refusal `invalid_request`: too large (413), cut short, not JSON, or of another shape
 */
export async function readBody<Body>(
  message: IncomingMessage,
  schema: z.ZodType<Body>,
  maxBytes: number,
): Promise<Body> {
  const parsed = schema.safeParse(parseJson(await readText(message, maxBytes)));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new Refusal('invalid_request', `The body does not fit the worker protocol. ${problems.join('; ')}`);
}

async function readText(message: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunksOf(message)) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new Refusal('invalid_request', `The body has more than ${maxBytes} bytes.`, { status: 413 });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The connection stays open when the caller stops early, to carry the refusal. */
async function* chunksOf(message: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    yield* message.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  } catch (error) {
    throw new Refusal('cancelled', 'The client left while it sent its request.', { cause: error });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The SyntaxError quotes the body, which holds a user's text.
    throw new Refusal('invalid_request', 'The body is not JSON.');
  }
}
