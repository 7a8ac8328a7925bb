import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Refusal } from '../refusal.ts';

/** @throws Refusal `unauthorized` unless the call carries the worker's token; takes equally long for any wrong one */
export function requireToken(message: IncomingMessage, token: string): void {
  const given = digest(message.headers.authorization ?? '');
  if (timingSafeEqual(given, digest(`Bearer ${token}`))) return;
  throw new Refusal('unauthorized', "The call does not carry this worker's token.");
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
