/** Items of the registry table. Keys: `pk` and `sk`, both strings; `ttl` in Unix seconds. */
import * as z from 'zod';
import { Load, ServedModel } from './worker.ts';

/** pk `MODEL`, sk the id. One item holds every invariant of a model; written with `revision` as the condition. */
export const ModelItem = z.object({
  id: z.string(),
  revision: z.int().positive(),
  route: z.object({ stable: z.string() }),
  versions: z.record(z.string(), z.object({ state: z.enum(['uploading', 'ready', 'retired']) })),
  /** Unix seconds. */
  created: z.int(),
});
export type ModelItem = z.infer<typeof ModelItem>;

/** pk `WORKER`, sk the worker's id. Written every 2 s; a reader ignores it once `expires` has passed. */
export const WorkerItem = z.object({
  id: z.string(),
  pool: z.string(),
  /** Base URL that functions reach it by. */
  url: z.string(),
  engine: z.enum(['native', 'simulated']),
  models: z.array(ServedModel),
  load: Load,
  prefixKeys: z.array(z.string()),
  /** Unix milliseconds. */
  expires: z.number(),
});
export type WorkerItem = z.infer<typeof WorkerItem>;

export const HEARTBEAT_MS = 2_000;
export const WORKER_EXPIRY_MS = 8_000;
