import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import {
  type ChatInput,
  type ChatPrompt,
  type Engine,
  EngineError,
  type EngineErrorCode,
  type EngineLimits,
  type LoadOptions,
  type ModelInfo,
  type Plan,
  type PlanResult,
  type SlotInit,
  type SlotRef,
  type TokenizeOptions,
} from './types.ts';

interface NativeRecording {
  ops: RecordedOp[];
  native: unknown;
}

interface NativeHandle {
  describe(): ModelInfo;
  tokenize(text: string, special: boolean, addSpecial: boolean): Int32Array;
  detokenize(tokens: Int32Array | readonly number[], special: boolean): string;
  renderChat(input: ChatInput): Promise<ChatPrompt>;
  openSlot(init: SlotInit): SlotRef;
  closeSlot(slot: SlotRef): void;
  cancel(slot: SlotRef): void;
  submit(plan: Plan, knownDrops: number): void;
  withdraw(): boolean;
  takeRecording(): NativeRecording;
  replay(recording: unknown): Promise<ReplayReport>;
  measureLimit(prompts: readonly Int32Array[], steps: number): Promise<LimitReport>;
  close(): Promise<void>;
}

interface Addon {
  load(options: object, onEvent: (kind: string, payload: unknown) => void): Promise<NativeHandle>;
  quantize(libraries: string, from: string, to: string, threads: number): Promise<void>;
}

/** One change of the cache as the engine meant it; `batch` rows have a token, a position and a sequence each. */
export interface RecordedOp {
  kind: 'batch' | 'abortedBatch' | 'copy' | 'trim';
  /** copy: the source; trim: the sequence. */
  from: number;
  to: number;
  length: number;
  tokens: Int32Array;
  positions: Int32Array;
  sequences: Int32Array;
  /** Per row of logits, how far the best is above the second best: below 1e-3, batches of other shapes may pick the other. */
  gaps: number[];
}

/** Everything an engine did to its cache since it was loaded or last asked, with a hash of every row of logits. */
export interface Recording {
  readonly ops: readonly RecordedOp[];
  /** Runs the recording on a fresh context and compares the logits bit by bit. */
  replay(): Promise<ReplayReport>;
}

export interface ReplayReport {
  batches: number;
  /** Rows of logits compared. */
  rows: number;
  /** Rows that differ in at least one bit. */
  different: number;
  /** First batch with a difference, -1 without. */
  firstDifferent: number;
}

export interface LimitReport {
  prefillMs: number;
  /** Milliseconds of each decode step. */
  stepMs: number[];
}

export interface NativeLoadOptions extends LoadOptions {
  /** Tests: makes the fifth pass go wrong, which replay must notice. */
  fault?: 'cell' | 'position';
}

const build = join(import.meta.dirname, 'build');

function loadAddon(): { addon: Addon; libraries: string } {
  try {
    const libraries: string = JSON.parse(readFileSync(join(build, 'libraries.json'), 'utf8'));
    const addon: Addon = createRequire(import.meta.url)(join(build, 'sluice.node'));
    return { addon, libraries: join(build, libraries) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new EngineError('load_failed', `the native addon cannot be loaded (npm run build builds it): ${message}`, {
      cause: error,
    });
  }
}

/** Native errors carry one of EngineErrorCode's names; anything else is a defect of the addon and passes unchanged. */
function toEngineError(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  return new EngineError(error.code as EngineErrorCode, error.message, { cause: error });
}

function translated<Result>(call: () => Result): Result {
  try {
    return call();
  } catch (error) {
    throw toEngineError(error);
  }
}

async function translatedAsync<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw toEngineError(error);
  }
}

async function requireGguf(path: string): Promise<void> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw new EngineError('file_missing', `cannot open ${path}: ${error.code}`, { cause: error });
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
    if (bytesRead < 4 || buffer.toString('latin1') !== 'GGUF')
      throw new EngineError('not_gguf', `${path} is not a GGUF file`);
  } finally {
    await file.close();
  }
}

/** llama.cpp on a decode thread of its own. */
export class NativeEngine implements Engine {
  readonly kind = 'native';
  readonly model: ModelInfo;
  readonly limits: EngineLimits;
  onResult: (result: PlanResult) => void = () => {};
  onBroken: (error: EngineError) => void = () => {};
  readonly #handle: NativeHandle;
  /** Plans whose result has not come yet, oldest first. */
  readonly #outstanding: Plan[] = [];
  /** Dropped results heard of: the decode thread drops plans that were made without knowing of a drop. */
  #drops = 0;

  private constructor(handle: NativeHandle, limits: EngineLimits) {
    this.#handle = handle;
    this.model = handle.describe();
    this.limits = limits;
  }

  /** Rejects with EngineError `file_missing`, `not_gguf`, `load_failed`, `out_of_memory` or `invalid_argument`. */
  static async load(options: NativeLoadOptions): Promise<NativeEngine> {
    await requireGguf(options.path);
    const { addon, libraries } = loadAddon();
    const { onProgress, onLog, ...rest } = options;
    const batch = options.batch ?? 512;
    const threads = options.threads ?? availableParallelism();
    let engine: NativeEngine | undefined;
    const onEvent = (kind: string, payload: unknown) => {
      if (kind === 'result') engine?.settle(payload as PlanResult);
      else if (kind === 'progress') onProgress?.(payload as number);
      else if (kind === 'broken') engine?.onBroken(new EngineError('pass_failed', payload as string));
      else {
        const { level, message } = payload as { level: 'debug' | 'info' | 'warn' | 'error'; message: string };
        onLog?.(level, message);
      }
    };
    const deliver = (kind: string, payload: unknown) => {
      try {
        onEvent(kind, payload);
      } catch (error) {
        // Node only warns of what a native callback throws; a listener's error must be as loud as any other.
        process.nextTick(() => {
          throw error;
        });
      }
    };
    const handle = await translatedAsync(() => addon.load({ ...rest, batch, threads, libraries }, deliver));
    engine = new NativeEngine(handle, {
      sequences: options.slots + (options.cachedSequences ?? 0),
      cells: options.slots * options.context,
      batch,
      context: options.context,
    });
    return engine;
  }

  private settle(result: PlanResult): void {
    this.#outstanding.shift();
    if (result.outcome === 'dropped') this.#drops++;
    this.onResult(result);
  }

  tokenize(text: string, options: TokenizeOptions = {}): Int32Array {
    return translated(() => this.#handle.tokenize(text, options.special ?? false, options.addSpecial ?? false));
  }

  detokenize(tokens: Int32Array | readonly number[], options: { special?: boolean } = {}): string {
    return translated(() => this.#handle.detokenize(tokens, options.special ?? false));
  }

  renderChat(input: ChatInput): Promise<ChatPrompt> {
    return translatedAsync(() => this.#handle.renderChat(input));
  }

  openSlot(init: SlotInit): SlotRef {
    return translated(() => this.#handle.openSlot(init));
  }

  closeSlot(slot: SlotRef): void {
    translated(() => this.#handle.closeSlot(slot));
  }

  cancel(slot: SlotRef): void {
    translated(() => this.#handle.cancel(slot));
  }

  submit(plan: Plan): void {
    if (this.#outstanding.length >= 2) throw new EngineError('queue_full', 'two plans are outstanding already');
    translated(() => this.#handle.submit(plan, this.#drops));
    this.#outstanding.push(plan);
  }

  withdraw(): Plan | undefined {
    return translated(() => this.#handle.withdraw()) ? this.#outstanding.pop() : undefined;
  }

  /** Needs `record: true`; call it when no plan is outstanding. */
  takeRecording(): Recording {
    const { ops, native } = translated(() => this.#handle.takeRecording());
    return { ops, replay: () => translatedAsync(() => this.#handle.replay(native)) };
  }

  /**
   * What the hardware allows on a context like this engine's: the prompts prefilled in whole batches, then `steps`
   * passes of one argmax token per prompt. The engine must be idle.
   */
  measureLimit(prompts: readonly Int32Array[], steps: number): Promise<LimitReport> {
    return translatedAsync(() => this.#handle.measureLimit(prompts, steps));
  }

  close(): Promise<void> {
    return translatedAsync(() => this.#handle.close());
  }
}

/** Loads a GGUF file into a native engine; rejects with EngineError. */
export function loadEngine(options: LoadOptions): Promise<NativeEngine> {
  return NativeEngine.load(options);
}

/** Requantises a GGUF file to Q8_0 (for the bench: ggml has no batched CPU kernel for Q4_1). */
export async function quantizeToQ8(from: string, to: string): Promise<void> {
  const { addon, libraries } = loadAddon();
  await translatedAsync(() => addon.quantize(libraries, from, to, availableParallelism()));
}
