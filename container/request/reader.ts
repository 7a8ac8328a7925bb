/** One connection that reads a request's events. */
import type { ServerResponse } from 'node:http';
import { toLine } from './event-log.ts';

export interface ReaderOptions {
  response: ServerResponse;
  /** Called once, when the connection is gone or was given up before the answer's end. */
  onLeave: () => void;
  /** Bytes that may wait for a slow reader. */
  maxUnreadBytes?: number;
}

/** Several times what a reader that attaches again is sent at once. */
const MAX_UNREAD_BYTES = 4_000_000;
/** How long a reader may take to read what waits for it when its answer has ended. */
const FAREWELL_MS = 30_000;

export class Reader {
  readonly #response: ServerResponse;
  readonly #onLeave: () => void;
  readonly #maxUnreadBytes: number;
  #unsent = '';
  #hasLeft = false;
  #hasEnded = false;

  constructor({ response, onLeave, maxUnreadBytes = MAX_UNREAD_BYTES }: ReaderOptions) {
    this.#response = response;
    this.#onLeave = onLeave;
    this.#maxUnreadBytes = maxUnreadBytes;
    response.once('close', () => {
      if (!this.#hasEnded) this.#leave();
    });
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  }

  /** Lines of one turn of the event loop go out in one write: a write costs more than the lines do. */
  send(line: string): void {
    if (this.#unsent === '') setImmediate(() => this.#flush());
    this.#unsent += line;
  }

  end(): void {
    if (this.#hasEnded || this.#hasLeft) return;
    this.#hasEnded = true;
    this.#response.end(this.#unsent);
    this.#unsent = '';
    const cut = setTimeout(() => this.#response.destroy(), FAREWELL_MS).unref();
    this.#response.once('close', () => clearTimeout(cut));
  }

  /** Ends the answer for this reader alone: event `seq` and all further ones are replaced by the reason. */
  giveUp(seq: number): void {
    const message = `The reader is more than ${this.#maxUnreadBytes} bytes behind.`;
    this.send(toLine({ type: 'error', code: 'cancelled', message, retryable: false }, seq));
    this.end();
    this.#leave();
  }

  /** More waits for the reader than may. */
  get isTooSlow(): boolean {
    return this.#response.writableLength > this.#maxUnreadBytes;
  }

  #flush(): void {
    if (this.#unsent === '' || this.#hasEnded || this.#hasLeft) return;
    this.#response.write(this.#unsent);
    this.#unsent = '';
  }

  #leave(): void {
    if (this.#hasLeft) return;
    this.#hasLeft = true;
    this.#onLeave();
  }
}
