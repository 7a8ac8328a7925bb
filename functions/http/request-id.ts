import { randomUUID } from 'node:crypto';

const VALID = /^[!-~]{1,128}$/;

/** The client's own id where it is 1 to 128 visible ASCII characters, else a new one. */
export function requestIdFor(given: string | undefined): string {
  return given !== undefined && VALID.test(given) ? given : `req_${randomUUID()}`;
}
