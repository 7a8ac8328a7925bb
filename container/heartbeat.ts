import type { Logger } from 'pino';
import { HEARTBEAT_MS, WORKER_EXPIRY_MS } from '#contract/registry.ts';
import type { Table } from '#registry/table.ts';
import { heartbeat, removeWorker } from '#registry/workers.ts';
import type { Worker } from './worker.ts';

export interface HeartbeatOptions {
  table: Table;
  worker: Worker;
  /** Base URL that functions reach the worker by. */
  url: string;
  pool: string;
  log: Logger;
}

/** Tells the registry every 2 s what the worker serves; functions ignore a worker that has not been heard for 8 s. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** Resolves after the first beat, then goes on by itself. Rejects where the registry refuses it. */
  async start(): Promise<void> {
    await this.beat();
    this.#timer = setInterval(() => {
      this.beat().catch((error: unknown) => this.#options.log.warn({ err: error }, 'a heartbeat was lost'));
    }, HEARTBEAT_MS);
  }

  /** At once, where a change must be seen before the next turn. */
  async beat(): Promise<void> {
    const { table, worker, url, pool } = this.#options;
    const { id, engine } = worker.identity;
    const { models, load } = worker;
    const expires = Date.now() + WORKER_EXPIRY_MS;
    await heartbeat(table, { id, pool, url, engine, models, load, prefixKeys: [], expires });
  }

  /** Takes the worker out of the registry. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await removeWorker(this.#options.table, this.#options.worker.identity.id);
  }
}
