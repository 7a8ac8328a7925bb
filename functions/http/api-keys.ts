import { createHash, timingSafeEqual } from 'node:crypto';

/** The keys that open the API, kept as digests only. */
export class ApiKeys {
  readonly #digests: readonly Buffer[];

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest);
  }

  /** Takes as long for a wrong key as for a right one. */
  has(key: string): boolean {
    const presented = digest(key);
    const matches = this.#digests.filter((known) => timingSafeEqual(known, presented));
    return matches.length > 0;
  }
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
