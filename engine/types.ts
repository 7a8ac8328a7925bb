/**
 * The engine's face: what the scheduler may say to an engine and what it hears back. The native engine and the
 * simulated one both implement it and both pass test/engine/contract.ts.
 *
 * Vocabulary: a *sequence* is KV cells under one id (0 to `limits.sequences` - 1). A *slot* is generation state
 * (history, limits, sampler, stop strings), bound to at most one sequence. A *plan* is a list of cache operations and
 * at most one forward pass. Lengths count tokens of history; positions belong to the engine alone.
 */

/** Names a slot for as long as it is open. Entries for a generation that has gone are skipped and reported as stale. */
export interface SlotRef {
  readonly slot: number;
  readonly generation: number;
}

/** How tokens are picked. The random number at position p is a function of (seed, choice, p) alone. */
export interface Sampling {
  /** 0 is greedy. Applied before the truncations below, as OpenAI, vLLM and transformers do. */
  temperature: number;
  /** 0 keeps all. */
  topK: number;
  /** 1 keeps all. */
  topP: number;
  /** 0 keeps all. */
  minP: number;
  /** Subtracted per occurrence among the generated tokens. */
  frequencyPenalty: number;
  /** Subtracted once if the token was generated before. */
  presencePenalty: number;
  /** 0 to 2^53 - 1. */
  seed: number;
  /** End-of-generation tokens are never picked. */
  ignoreEos: boolean;
  /** [token, what is added to its logit]: 100 all but forces a token, -100 all but forbids it. */
  logitBias: readonly (readonly [token: number, bias: number])[];
}

export interface SlotInit {
  sampling: Sampling;
  /** Which choice of its request this is; part of the random number's key. */
  choice: number;
  /** Text that ends generation; it is not part of the output. Of several that end at the same byte the longest counts. */
  stops: readonly string[];
  /** Most tokens to generate; at least 1. */
  maxTokens: number;
  /** Most tokens of history (prompt and generated). */
  contextLimit: number;
  /** Log-probabilities are wanted, with so many alternatives (0 to 20); undefined: none. */
  topLogprobs?: number;
}

export interface Candidate {
  token: number;
  /** The bytes it stands for; a control token's name. */
  bytes: Uint8Array;
  /** Natural logarithm of its probability by the model alone, before biases, penalties, temperature and truncation. */
  logprob: number;
}

export interface TokenLogprob extends Candidate {
  /** The most likely tokens, best first; the picked one need not be among them. */
  top: readonly Candidate[];
}

export type CacheOp =
  /**
   * Makes the sequence's cells and tokens the slot's; both must be free of others. A slot that gave up its cells goes on
   * from the new sequence's tokens with its counts, stop strings and random numbers. Result: the sequence's length.
   */
  | { op: 'bind'; slot: SlotRef; sequence: number }
  /** Shares the first `length` tokens of `from` with the empty sequence `to`. Result: the usable length. */
  | { op: 'copy'; from: number; to: number; length: number }
  /** Keeps the first `length` tokens. Result: the length kept. */
  | { op: 'trim'; sequence: number; length: number }
  /** Frees the cells; a slot bound to it is unbound. */
  | { op: 'release'; sequence: number };

export type Outputs = 'none' | 'last';

export type Entry =
  /** Appends `tokens` to the slot's history and computes them; with `last` picks the next token as well. */
  | { kind: 'prefill'; slot: SlotRef; tokens: Int32Array; outputs: Outputs }
  /** Feeds the pending token and picks at most `maxNew` tokens. */
  | { kind: 'decode'; slot: SlotRef; maxNew: number };

export interface Plan {
  id: number;
  cache: readonly CacheOp[];
  /** At most `limits.batch` tokens in all. */
  entries: readonly Entry[];
}

export type EndReason =
  /** An end-of-generation token was picked. */
  | 'eos'
  /** A stop string was completed. */
  | 'stop'
  /** maxTokens were generated. */
  | 'length'
  /** contextLimit is reached. */
  | 'context';

export interface EntryResult {
  slot: SlotRef;
  /** `ran`; or why it was skipped: the slot is closed (`stale`), had `ended`, was `cancelled`, or is `unbound`. */
  outcome: 'ran' | 'stale' | 'ended' | 'cancelled' | 'unbound';
  /** Prompt tokens computed by this entry. */
  fed: number;
  /** Tokens picked by this entry and kept; an end-of-generation token counts. */
  tokens: readonly number[];
  /** Text that became certain: whole characters, nothing that may still turn out to begin a stop string. */
  text: string;
  /** Of the tokens whose bytes cannot be part of a stop string any more; end-of-generation tokens have none. */
  logprobs?: readonly TokenLogprob[];
  end?: EndReason;
}

export interface PlanResult {
  plan: number;
  /** `dropped`: there was no room for the pass, nothing advanced; plans queued behind it are dropped as well. */
  outcome: 'done' | 'dropped';
  /**
   * One number per cache operation, in order: the usable or kept length, -1 where the operation does not apply. The
   * operations of a dropped plan stand; those of the plans dropped behind it were not done, -1 each.
   */
  cache: readonly number[];
  /** One per entry, in order; none where the plan was dropped. */
  entries: readonly EntryResult[];
  timings: {
    /** Forward pass, milliseconds; 0 without entries. */
    passMs: number;
    /** Sampling and text, milliseconds. */
    sampleMs: number;
    /** Times the pass was aborted for a cancelled slot and run again for the others. */
    restarts: number;
  };
  /** Cells in use after the plan, over all sequences. */
  usedCells: number;
}

export interface ModelInfo {
  /** GGUF general.architecture. */
  architecture: string;
  /** GGUF general.name, or ''. */
  name: string;
  /** llama.cpp's one-line description (size and quantisation). */
  description: string;
  parameters: number;
  sizeBytes: number;
  vocabularySize: number;
  /** Tokens the model was trained for. */
  trainedContext: number;
  embeddingSize: number;
  /** The model's chat template, or '' where the file has none. */
  chatTemplate: string;
  /** False where memory cannot be cut at any position (recurrent, sliding window). */
  canTrim: boolean;
}

export interface EngineLimits {
  /** Sequence ids. */
  sequences: number;
  /** KV cells over all sequences. */
  cells: number;
  /** Tokens per forward pass. */
  batch: number;
  /** Tokens of history per slot. */
  context: number;
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  name?: string;
  toolCalls?: readonly { id: string; name: string; arguments: string }[];
  toolCallId?: string;
}

export interface ChatInput {
  messages: readonly ChatMessage[];
  addGenerationPrompt: boolean;
}

export interface ChatPrompt {
  /** Control tokens' text inside messages is ordinary text here, never a control token. */
  tokens: Int32Array;
  /** Stop strings the template's format asks for besides the end-of-generation tokens. */
  stops: readonly string[];
}

export interface TokenizeOptions {
  /** Control tokens' text becomes control tokens. */
  special?: boolean;
  /** Adds what the model wants around a text (BOS, EOS). */
  addSpecial?: boolean;
}

export interface Engine {
  readonly kind: 'native' | 'simulated';
  readonly model: ModelInfo;
  readonly limits: EngineLimits;

  tokenize(text: string, options?: TokenizeOptions): Int32Array;
  /** Whole text of the tokens; incomplete characters at the end become U+FFFD. */
  detokenize(tokens: Int32Array | readonly number[], options?: { special?: boolean }): string;
  /** Rejects with EngineError `template_failed` where the template refuses the messages. */
  renderChat(input: ChatInput): Promise<ChatPrompt>;

  /** Throws EngineError `no_slot` when all are open. */
  openSlot(init: SlotInit): SlotRef;
  /** Ends a slot's life. Its sequence keeps its cells until released. */
  closeSlot(slot: SlotRef): void;
  /** Read when a batch is formed; a long pass that runs with the slot on the CPU is aborted. */
  cancel(slot: SlotRef): void;

  /**
   * At most two plans may be outstanding, their results not heard yet: one runs, one waits. Throws EngineError
   * `queue_full` otherwise, `invalid_argument` for more than `limits.batch` tokens.
   */
  submit(plan: Plan): void;
  /** Takes the waiting plan back if the engine has not taken it yet. */
  withdraw(): Plan | undefined;
  /** Called once per plan, in order. */
  onResult: (result: PlanResult) => void;
  /** The engine can no longer run: every slot is lost, the process should restart. */
  onBroken: (error: EngineError) => void;

  /** Frees everything; later calls throw EngineError `closed`. */
  close(): Promise<void>;
}

export type EngineErrorCode =
  | 'file_missing'
  | 'not_gguf'
  | 'file_truncated'
  | 'load_failed'
  | 'out_of_memory'
  | 'unsupported_model'
  | 'template_failed'
  | 'invalid_argument'
  | 'no_slot'
  | 'queue_full'
  | 'pass_failed'
  | 'closed';

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}

export type CacheType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1';

export interface LoadOptions {
  /** Path of a GGUF file (the first part of a split model). */
  path: string;
  /** Tokens of history per slot. */
  context: number;
  /** Requests that generate at the same time. */
  slots: number;
  /** Sequence ids besides the slots', for cached prefixes. Default 0. */
  cachedSequences?: number;
  /** Tokens per forward pass. Default 512. */
  batch?: number;
  /** CPU threads. Default: one per core. */
  threads?: number;
  /** Layers on the GPU; -1 is all. Default -1. */
  gpuLayers?: number;
  /** Names of devices to use; default all. */
  devices?: readonly string[];
  splitMode?: 'none' | 'layer' | 'row' | 'tensor';
  cacheType?: CacheType;
  flashAttention?: 'auto' | 'on' | 'off';
  /** Keeps every batch for replay (tests). */
  record?: boolean;
  onProgress?: (fraction: number) => void;
  onLog?: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;
}
