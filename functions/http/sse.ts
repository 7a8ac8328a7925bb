/** Server-sent events as a response body. */
import { Readable } from 'node:stream';

export const SSE_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // nginx buffers a response unless told otherwise.
  'x-accel-buffering': 'no',
} as const;

export interface SseOptions {
  /** Milliseconds of silence after which a comment is sent; proxies close connections that look dead. */
  heartbeatMs: number;
  /** The data of the `error` event that a failure becomes. */
  toErrorData: (error: unknown) => unknown;
  /** Called when the reader leaves before the end. */
  onAbandoned: () => void;
}

/**
 * A stream of the frames, pulled as fast as they are read. It always ends and never fails: an error of `frames` becomes
 * an event `error`, because a body that fails kills the Lambda runtime.
 */
export function sseBody(frames: AsyncIterable<string>, options: SseOptions): Readable {
  return new SseBody(frames, options);
}

const KEEP_ALIVE = ': keep-alive\n\n';

class SseBody extends Readable {
  readonly #frames: AsyncIterator<string>;
  readonly #options: SseOptions;
  readonly #heartbeat: NodeJS.Timeout;
  #isPulling = false;

  constructor(frames: AsyncIterable<string>, options: SseOptions) {
    super();
    this.#frames = frames[Symbol.asyncIterator]();
    this.#options = options;
    this.#heartbeat = setInterval(() => this.push(KEEP_ALIVE), options.heartbeatMs);
  }

  override _read(): void {
    // A heartbeat makes the stream ask again while a frame is still awaited.
    if (!this.#isPulling) void this.#pull();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#heartbeat);
    if (!this.readableEnded) this.#options.onAbandoned();
    done(error);
  }

  async #pull(): Promise<void> {
    this.#isPulling = true;
    try {
      let wantsMore = true;
      while (wantsMore) {
        const frame = await this.#frames.next();
        if (this.destroyed) return;
        if (frame.done) return this.#end();
        this.#heartbeat.refresh();
        wantsMore = this.push(frame.value);
      }
    } catch (error) {
      if (this.destroyed) return;
      this.push(`event: error\ndata: ${JSON.stringify(this.#options.toErrorData(error))}\n\n`);
      this.#end();
    } finally {
      this.#isPulling = false;
    }
  }

  #end(): void {
    clearInterval(this.#heartbeat);
    this.push(null);
  }
}
