/** The engine that the configuration asks for. */
import { freemem } from 'node:os';
import type { Logger } from 'pino';
import { estimateMemory, type MemoryEstimate } from '#artifacts/memory-estimate.ts';
import { readModelHeaders } from '#artifacts/model-files.ts';
import { type Engine, EngineError, loadEngine, SimulatedEngine } from '#engine';
import type { Configuration } from './configuration.ts';
import { engineLog } from './log.ts';

const DEFAULT_CONTEXT = 4096;
const SIMULATED_CONTEXT = 2048;
/** Architectures that only encode: they give embeddings and no text. */
const ENCODERS = /bert/;

export interface EngineRecipe {
  /** Tokens per request. */
  context: number;
  kinds: ('generate' | 'embed')[];
  load(onProgress: (fraction: number) => void): Promise<Engine>;
}

/**
 * Reads the model's header, so that what cannot work is said before anything is loaded.
 *
 * @throws GgufError, or EngineError `out_of_memory`
 */
export function prepareEngine(configuration: Configuration, log: Logger): EngineRecipe {
  return configuration.engine === 'simulated' ? simulated(configuration) : native(configuration, log);
}

function simulated({ context = SIMULATED_CONTEXT, slots, simulatedPassMs }: Configuration): EngineRecipe {
  const options = { context, slots, ...(simulatedPassMs > 0 ? { stepCost: () => simulatedPassMs } : {}) };
  return { context, kinds: ['generate'], load: async () => new SimulatedEngine(options) };
}

function native(configuration: Configuration, log: Logger): EngineRecipe {
  const { slots, threads, gpuLayers, cacheType, flashAttention } = configuration;
  const path = configuration.model.path!;
  const headers = readModelHeaders(path);
  const { architecture, trainedContext = DEFAULT_CONTEXT } = headers[0]!;
  const context = configuration.context ?? Math.min(DEFAULT_CONTEXT, trainedContext);
  requireMemory(path, estimateMemory(headers, context * slots, cacheType));
  return {
    context,
    kinds: ENCODERS.test(architecture) ? ['embed'] : ['generate'],
    load: (onProgress) =>
      loadEngine({
        path,
        context,
        slots,
        gpuLayers,
        cacheType,
        flashAttention,
        ...(threads === undefined ? {} : { threads }),
        onProgress,
        onLog: engineLog(log),
      }),
  };
}

function requireMemory(path: string, { weightsBytes, cacheBytes }: MemoryEstimate): void {
  const free = freemem();
  if (weightsBytes + cacheBytes <= free) return;
  const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  const needed = `${mib(weightsBytes)} for weights and ${mib(cacheBytes)} for the cache`;
  const message = `${path} needs ${needed}, and ${mib(free)} of memory are free: use fewer slots or a shorter context`;
  throw new EngineError('out_of_memory', message);
}
