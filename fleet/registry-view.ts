/** The registry as one instance sees it: a snapshot that is at most a second old. */
import type { ModelItem, WorkerItem } from '#contract/registry.ts';

export interface RegistrySnapshot {
  models: readonly ModelItem[];
  workers: readonly WorkerItem[];
}

const MAX_AGE_MS = 1_000;
/** A snapshot older than this is replaced in the background, so that a busy instance never waits for the registry. */
const REFRESH_AGE_MS = 500;

interface Reading {
  snapshot: RegistrySnapshot;
  startedAt: number;
}

export class RegistryView {
  readonly #load: () => Promise<RegistrySnapshot>;
  #reading: Reading | undefined;
  #pending: Promise<Reading> | undefined;

  /** @param load reads the registry; its errors reach whoever waits for it */
  constructor(load: () => Promise<RegistrySnapshot>) {
    this.#load = load;
  }

  async snapshot(): Promise<RegistrySnapshot> {
    const age = this.#reading === undefined ? Number.POSITIVE_INFINITY : Date.now() - this.#reading.startedAt;
    if (this.#reading === undefined || age > MAX_AGE_MS) return (await this.#refresh()).snapshot;
    if (age > REFRESH_AGE_MS) {
      // Nobody waits for this reading: if it fails, the next one that somebody waits for fails as well.
      this.#refresh().catch(() => undefined);
    }
    return this.#reading.snapshot;
  }

  /** For whoever has seen that the snapshot is wrong, since a worker in it does not answer. */
  async freshSnapshot(): Promise<RegistrySnapshot> {
    return (await this.#refresh()).snapshot;
  }

  #refresh(): Promise<Reading> {
    this.#pending ??= this.#read().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #read(): Promise<Reading> {
    // The age counts from here: an instance that is frozen while reading must not take the answer for a fresh one.
    const startedAt = Date.now();
    this.#reading = { snapshot: await this.#load(), startedAt };
    return this.#reading;
  }
}
