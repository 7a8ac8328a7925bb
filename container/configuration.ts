/** What the environment tells a worker. */
import * as z from 'zod';

const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

const Environment = z.object({
  /** GGUF file, the first part of a split model; the simulated engine needs none. */
  SLUICE_MODEL_PATH: z.string().min(1).optional(),
  SLUICE_MODEL_ID: z.string().min(1),
  SLUICE_MODEL_VERSION: z.string().min(1),
  /** Tokens per request; default 4,096, or less where the model was trained for less. */
  SLUICE_CONTEXT: whole(32, 10_000_000).optional(),
  /** Requests that generate at the same time. */
  SLUICE_SLOTS: whole(1, 128).default(8),
  /** CPU threads; default one per core. */
  SLUICE_THREADS: whole(1, 1024).optional(),
  /** Layers on the GPU; -1 is all. */
  SLUICE_GPU_LAYERS: whole(-1, 100_000).default(-1),
  SLUICE_CACHE_TYPE: z.enum(['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_1', 'q5_0', 'q5_1']).default('f16'),
  /** On the CPU it is faster on long contexts and moves F32 logits by about 2e-3 with the shape of the batch. */
  SLUICE_FLASH_ATTENTION: z.enum(['auto', 'on', 'off']).default('auto'),
  SLUICE_ENGINE: z.enum(['native', 'simulated']).default('native'),
  /** Milliseconds that a pass of the simulated engine takes. */
  SLUICE_SIMULATED_PASS_MS: z.coerce.number().min(0).default(0),
  /** Every call to the worker must carry it. */
  SLUICE_WORKER_TOKEN: z.string().min(1),
  SLUICE_WORKER_HOST: z.string().min(1).default('127.0.0.1'),
  /** 0 takes a free one. */
  SLUICE_WORKER_PORT: whole(0, 65_535).default(0),
  /** Name of the registry's table. */
  SLUICE_TABLE: z.string().min(1),
  /** Where the registry is, if not in AWS. */
  SLUICE_REGISTRY_ENDPOINT: z.url().optional(),
  SLUICE_POOL: z.string().min(1).default('primary'),
  SLUICE_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** Milliseconds that running requests have to finish when the worker is asked to end. */
  SLUICE_DRAIN_MS: whole(0, 3_600_000).default(30_000),
});

export interface Configuration {
  model: { path: string | undefined; id: string; version: string };
  engine: z.infer<typeof Environment>['SLUICE_ENGINE'];
  context: number | undefined;
  slots: number;
  threads: number | undefined;
  gpuLayers: number;
  cacheType: z.infer<typeof Environment>['SLUICE_CACHE_TYPE'];
  flashAttention: z.infer<typeof Environment>['SLUICE_FLASH_ATTENTION'];
  simulatedPassMs: number;
  token: string;
  host: string;
  port: number;
  table: string;
  registryEndpoint: string | undefined;
  pool: string;
  logLevel: string;
  drainMs: number;
}

export class ConfigurationError extends Error {
  override name = 'ConfigurationError';
  readonly code = 'invalid_configuration';
}

/** @throws ConfigurationError that names each variable that is missing or wrong, and no value */
export function readConfiguration(environment: NodeJS.ProcessEnv): Configuration {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigurationError(`The worker is not configured. ${problems.join('; ')}`);
  }
  const given = parsed.data;
  if (given.SLUICE_ENGINE === 'native' && given.SLUICE_MODEL_PATH === undefined) {
    throw new ConfigurationError('The worker is not configured. SLUICE_MODEL_PATH: the native engine needs a file');
  }
  return {
    model: { path: given.SLUICE_MODEL_PATH, id: given.SLUICE_MODEL_ID, version: given.SLUICE_MODEL_VERSION },
    engine: given.SLUICE_ENGINE,
    context: given.SLUICE_CONTEXT,
    slots: given.SLUICE_SLOTS,
    threads: given.SLUICE_THREADS,
    gpuLayers: given.SLUICE_GPU_LAYERS,
    cacheType: given.SLUICE_CACHE_TYPE,
    flashAttention: given.SLUICE_FLASH_ATTENTION,
    simulatedPassMs: given.SLUICE_SIMULATED_PASS_MS,
    token: given.SLUICE_WORKER_TOKEN,
    host: given.SLUICE_WORKER_HOST,
    port: given.SLUICE_WORKER_PORT,
    table: given.SLUICE_TABLE,
    registryEndpoint: given.SLUICE_REGISTRY_ENDPOINT,
    pool: given.SLUICE_POOL,
    logLevel: given.SLUICE_LOG_LEVEL,
    drainMs: given.SLUICE_DRAIN_MS,
  };
}
