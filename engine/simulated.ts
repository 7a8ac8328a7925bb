/**
 * A deterministic engine in plain TypeScript with the native engine's face, for tests of everything above it: cells,
 * slots, plans and ends are real, only the model is a hash.
 */
import { applyCacheOp } from './simulated/cache.ts';
import { Cells } from './simulated/cells.ts';
import { CHAT_TEMPLATE, renderChat } from './simulated/chat.ts';
import { cellsNeeded, runEntry } from './simulated/pass.ts';
import { SlotTable } from './simulated/slots.ts';
import { bytesOf, detokenize, tokenizeSpecial, tokenizeText, vocabulary } from './simulated/vocabulary.ts';
import {
  type ChatInput,
  type ChatPrompt,
  type Engine,
  EngineError,
  type EngineLimits,
  type Entry,
  type ModelInfo,
  type Plan,
  type PlanResult,
  type SlotInit,
  type SlotRef,
  type TokenizeOptions,
} from './types.ts';

export interface SimulatedOptions {
  /** Tokens of history per slot. Default 2,048. */
  context?: number;
  /** Default 16. */
  slots?: number;
  /** Sequence ids besides the slots'. Default 0. */
  cachedSequences?: number;
  /** Tokens per forward pass. Default 512. */
  batch?: number;
  /** Default: the context for every slot. */
  cells?: number;
  /** Milliseconds that a pass over `tokens` tokens with `picks` picks takes. Default 0, without timers. */
  stepCost?: (tokens: number, picks: number) => number;
  /** False: nothing moves but by `step()`. Default true. */
  autorun?: boolean;
}

const MAX_OUTSTANDING_PLANS = 2;

interface RunningPlan {
  plan: Plan;
  passMs: number;
  restarts: number;
}

export class SimulatedEngine implements Engine {
  readonly kind = 'simulated';
  readonly model: ModelInfo;
  readonly limits: EngineLimits;
  onResult: (result: PlanResult) => void = () => {};
  onBroken: (error: EngineError) => void = () => {};

  readonly #slots: SlotTable;
  readonly #cells: Cells;
  readonly #stepCost: (tokens: number, picks: number) => number;
  readonly #autorun: boolean;
  #running: RunningPlan | undefined;
  #waiting: Plan[] = [];
  #outstanding = 0;
  /** Why nothing works any more. */
  #failure: EngineError | undefined;

  constructor(options: SimulatedOptions = {}) {
    const { context = 2048, slots = 16, cachedSequences = 0, batch = 512 } = options;
    this.limits = { sequences: slots + cachedSequences, cells: options.cells ?? slots * context, batch, context };
    this.model = modelInfo(context);
    this.#slots = new SlotTable(slots);
    this.#cells = new Cells(this.limits.cells, this.limits.sequences);
    this.#stepCost = options.stepCost ?? (() => 0);
    this.#autorun = options.autorun ?? true;
  }

  tokenize(text: string, options: TokenizeOptions = {}): Int32Array {
    this.#throwIfFailed();
    const tokens = options.special ? tokenizeSpecial(text) : tokenizeText(text);
    return Int32Array.from(options.addSpecial ? [vocabulary.beginOfText, ...tokens] : tokens);
  }

  detokenize(tokens: Int32Array | readonly number[], options: { special?: boolean } = {}): string {
    this.#throwIfFailed();
    return detokenize(tokens, options.special ?? false);
  }

  async renderChat(input: ChatInput): Promise<ChatPrompt> {
    this.#throwIfFailed();
    return renderChat(input);
  }

  openSlot(init: SlotInit): SlotRef {
    this.#throwIfFailed();
    if (!(init.maxTokens >= 1)) throw new EngineError('invalid_argument', 'maxTokens must be at least 1');
    if (!(init.contextLimit >= 1 && init.contextLimit <= this.limits.context)) {
      throw new EngineError('invalid_argument', `contextLimit must be 1 to ${this.limits.context}`);
    }
    return this.#slots.open(init);
  }

  closeSlot(slot: SlotRef): void {
    this.#throwIfFailed();
    this.#slots.close(slot);
  }

  cancel(ref: SlotRef): void {
    this.#throwIfFailed();
    const slot = this.#slots.find(ref);
    if (slot === undefined || slot.cancelled) return;
    slot.cancelled = true;
    const runs = this.#running?.plan.entries.some((entry) => this.#slots.find(entry.slot) === slot);
    if (runs) this.#running!.restarts++;
  }

  submit(plan: Plan): void {
    this.#throwIfFailed();
    if (this.#outstanding === MAX_OUTSTANDING_PLANS) {
      throw new EngineError('queue_full', `${MAX_OUTSTANDING_PLANS} plans are outstanding`);
    }
    checkEntries(plan.entries, this.limits.batch);
    this.#outstanding++;
    this.#waiting.push(plan);
    if (this.#autorun && this.#running === undefined) this.#take();
  }

  withdraw(): Plan | undefined {
    this.#throwIfFailed();
    const plan = this.#waiting.pop();
    if (plan !== undefined) this.#outstanding--;
    return plan;
  }

  async close(): Promise<void> {
    this.#throwIfFailed();
    this.#stopWith(new EngineError('closed', 'the engine is closed'));
  }

  /** Without `autorun`: takes the next plan, or ends the running one. False when there is nothing to do. */
  step(): boolean {
    if (this.#running !== undefined) this.#finish();
    else if (this.#waiting.length > 0) this.#take();
    else return false;
    return true;
  }

  /** Fails as an engine does when a pass fails. */
  breakDown(message: string): void {
    this.#breakWith(new EngineError('pass_failed', message));
  }

  #take(): void {
    const plan = this.#waiting.shift();
    if (plan === undefined) return;
    const passMs = plan.entries.length === 0 ? 0 : this.#stepCost(tokensOf(plan.entries), picksOf(plan.entries));
    const running: RunningPlan = { plan, passMs, restarts: 0 };
    this.#running = running;
    if (!this.#autorun) return;
    const finishUnlessStopped = () => {
      if (this.#running === running) this.#finish();
    };
    if (passMs > 0) setTimeout(finishUnlessStopped, passMs);
    else setImmediate(finishUnlessStopped);
  }

  /** Takes the next plan before the result is heard, as an engine with its own thread does. */
  #finish(): void {
    const results = this.#resultsOf(this.#running!);
    if (results === undefined) return;
    this.#running = undefined;
    this.#take();
    for (const result of results) {
      if (this.#failure !== undefined) return;
      this.#outstanding--;
      this.onResult(result);
    }
  }

  /** The running plan's result; where it was dropped, also those of the plans behind it. */
  #resultsOf({ plan, passMs, restarts }: RunningPlan): PlanResult[] | undefined {
    const cache = plan.cache.map((op) => applyCacheOp(op, this.#cells, this.#slots));
    if (cellsNeeded(plan.entries, this.#slots) > this.#cells.free) {
      const queuedBehind = this.#waiting.splice(0);
      const notApplied = queuedBehind.map((queued) => this.#dropped(queued, new Array(queued.cache.length).fill(-1)));
      return [this.#dropped(plan, cache), ...notApplied];
    }
    try {
      const entries = plan.entries.map((entry) => runEntry(entry, this.#cells, this.#slots));
      const timings = { passMs, sampleMs: 0, restarts };
      return [{ plan: plan.id, outcome: 'done', cache, entries, timings, usedCells: this.#cells.used }];
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      this.#breakWith(error);
      return undefined;
    }
  }

  #dropped(plan: Plan, cache: readonly number[]): PlanResult {
    const timings = { passMs: 0, sampleMs: 0, restarts: 0 };
    return { plan: plan.id, outcome: 'dropped', cache, entries: [], timings, usedCells: this.#cells.used };
  }

  #breakWith(error: EngineError): void {
    this.#stopWith(error);
    this.onBroken(error);
  }

  #stopWith(failure: EngineError): void {
    this.#failure = failure;
    this.#running = undefined;
    this.#waiting = [];
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}

const picksOf = (entries: readonly Entry[]) =>
  entries.filter((entry) => entry.kind === 'decode' || entry.outputs === 'last').length;

const tokensOf = (entries: readonly Entry[]) =>
  entries.reduce((sum, entry) => sum + (entry.kind === 'prefill' ? entry.tokens.length : entry.maxNew), 0);

function checkEntries(entries: readonly Entry[], batch: number): void {
  if (tokensOf(entries) > batch) throw new EngineError('invalid_argument', `a plan has at most ${batch} tokens`);
  if (new Set(entries.map((entry) => entry.slot.slot)).size < entries.length) {
    throw new EngineError('invalid_argument', 'a plan has at most one entry for a slot');
  }
  for (const entry of entries) {
    if (entry.kind === 'decode') {
      if (!(entry.maxNew >= 1)) throw new EngineError('invalid_argument', 'maxNew must be at least 1');
      continue;
    }
    if (entry.tokens.length === 0) throw new EngineError('invalid_argument', 'a prefill needs a token');
    for (const token of entry.tokens) bytesOf(token);
  }
}

function modelInfo(context: number): ModelInfo {
  return {
    architecture: 'simulated',
    name: 'Simulated',
    description: 'deterministic hash of the history',
    parameters: 0,
    sizeBytes: 0,
    vocabularySize: vocabulary.size,
    trainedContext: context,
    embeddingSize: 0,
    chatTemplate: CHAT_TEMPLATE,
    canTrim: true,
  };
}
