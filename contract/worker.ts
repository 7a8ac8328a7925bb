/**
 * The worker protocol: what a function asks of a worker, and the events it hears back.
 *
 * `POST /generate` takes a GenerateRequest as JSON and answers NDJSON, one WorkerEvent a line, one connection per
 * request; closing the connection cancels the request unless it is `detached`. `GET /generate/{id}?after=seq` attaches
 * again. `GET /capabilities` answers Capabilities, `GET /health` 200 once the model is loaded. Every call carries
 * `authorization: Bearer <worker token>`.
 */
import * as z from 'zod';

const TextPart = z.object({ type: z.literal('text'), text: z.string() });

const ChatMessage = z.object({
  role: z.enum(['system', 'user', 'assistant', 'tool']),
  parts: z.array(TextPart),
  name: z.string().optional(),
  toolCalls: z.array(z.object({ id: z.string(), name: z.string(), arguments: z.string() })).optional(),
  toolCallId: z.string().optional(),
});

const Input = z.discriminatedUnion('type', [
  z.object({ type: z.literal('chat'), messages: z.array(ChatMessage).min(1) }),
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('tokens'), tokens: z.array(z.int().nonnegative()) }),
]);

const Sampling = z.object({
  temperature: z.number().min(0).max(2),
  /** 0 keeps all. */
  topK: z.int().min(0),
  topP: z.number().min(0).max(1),
  minP: z.number().min(0).max(1),
  frequencyPenalty: z.number().min(-2).max(2),
  presencePenalty: z.number().min(-2).max(2),
  /** 0 to 2^53 - 1; the function picks one where the client gave none. */
  seed: z.int().nonnegative(),
  ignoreEos: z.boolean(),
  /** [token, what is added to its logit]. */
  logitBias: z.array(z.tuple([z.int().nonnegative(), z.number().min(-100).max(100)])),
});

export const GenerateRequest = z.object({
  id: z.string().min(1).max(128),
  /** 1 for the first worker asked, 2 for the second. */
  attempt: z.int().min(1),
  kind: z.literal('generate'),
  model: z.string(),
  /** A worker that serves another answers `wrong_version`. */
  version: z.string(),
  adapter: z.string().nullable(),
  /** Set by the function from the key, never from the body. */
  tenant: z.string(),
  /** Separates tenants' cached prefixes. */
  cacheSalt: z.string(),
  /** Hashes of the canonical message bytes, longest prefix last. */
  prefixKeys: z.array(z.string()),
  /** 0 is the most urgent, 9 the least. */
  priority: z.int().min(0).max(9),
  /** Unix time in milliseconds. */
  deadline: z.number(),
  traceparent: z.string().nullable(),
  /** Runs on without a reader. */
  detached: z.boolean(),
  input: Input,
  /** Completions of the same prompt. */
  choices: z.int().min(1).max(128),
  sampling: Sampling,
  /** null: up to the context. */
  maxTokens: z.int().min(1).nullable(),
  stops: z.array(z.string().min(1)),
  /** Log-probabilities of the tokens are wanted, with so many alternatives; null: none. */
  topLogprobs: z.int().min(0).max(20).nullable(),
});
export type GenerateRequest = z.infer<typeof GenerateRequest>;

export const FinishReason = z.enum(['stop', 'length']);
export type FinishReason = z.infer<typeof FinishReason>;

export const WorkerErrorCode = z.enum([
  /** The request does not fit this protocol. */
  'invalid_request',
  'unauthorized',
  'context_length_exceeded',
  /** A bias is for a token that the model does not have. */
  'unknown_token',
  /** The chat template refuses these messages. */
  'template_failed',
  /** The worker serves another model or version. */
  'wrong_version',
  /** The model cannot do this kind of request. */
  'unsupported',
  /** The queue is full. */
  'overloaded',
  /** The worker is shutting down. */
  'draining',
  /** The worker is still loading its model. */
  'loading',
  'deadline_exceeded',
  /** The reader left, or somebody cancelled it. */
  'cancelled',
  'engine_failed',
  'internal',
]);
export type WorkerErrorCode = z.infer<typeof WorkerErrorCode>;

const Timings = z.object({
  /** Milliseconds from arrival to the first forward pass. */
  queueMs: z.number(),
  prefillMs: z.number(),
  decodeMs: z.number(),
});
export type Timings = z.infer<typeof Timings>;

const Candidate = z.object({
  /** A control token's own name; U+FFFD for bytes that are no whole characters. */
  text: z.string(),
  bytes: z.array(z.int().min(0).max(255)),
  logprob: z.number(),
});

/** Natural logarithms of probabilities by the model alone, before biases, penalties, temperature and truncation. */
const TokenLogprob = Candidate.extend({
  /** The most likely tokens, best first. */
  top: z.array(Candidate),
});
export type TokenLogprob = z.infer<typeof TokenLogprob>;

const seq = z.int().nonnegative();
const choice = z.int().nonnegative();

/** `seq` counts from 0 without gaps, within a request. */
export const WorkerEvent = z.discriminatedUnion('type', [
  /** First event of every request that is not refused; comes before any delta. */
  z.object({ type: z.literal('accepted'), seq, promptTokens: z.int(), cachedTokens: z.int(), version: z.string() }),
  z.object({ type: z.literal('progress'), seq, prefilled: z.int(), promptTokens: z.int() }),
  /** Every 2 s while nothing else is said. */
  z.object({ type: z.literal('ping'), seq }),
  z.object({
    type: z.literal('delta'),
    seq,
    choice,
    text: z.string(),
    tokens: z.int(),
    logprobs: z.array(TokenLogprob).optional(),
  }),
  /** Once per choice; the response ends after the last one. */
  z.object({
    type: z.literal('end'),
    seq,
    choice,
    finish: FinishReason,
    usage: z.object({ promptTokens: z.int(), cachedTokens: z.int(), completionTokens: z.int() }),
    timings: Timings,
  }),
  /** Ends the response. */
  z.object({
    type: z.literal('error'),
    seq,
    code: WorkerErrorCode,
    message: z.string(),
    retryable: z.boolean(),
  }),
]);
export type WorkerEvent = z.infer<typeof WorkerEvent>;

export const ServedModel = z.object({
  model: z.string(),
  version: z.string(),
  adapters: z.array(z.string()),
  state: z.enum(['loading', 'ready', 'draining']),
  kinds: z.array(z.enum(['generate', 'embed'])),
  modalities: z.array(z.enum(['text', 'image', 'audio'])),
  /** Tokens per request. */
  context: z.int(),
  /** Unix seconds at which this version was made. */
  created: z.int(),
});
export type ServedModel = z.infer<typeof ServedModel>;

export const Load = z.object({
  running: z.int(),
  queued: z.int(),
  /** Share of KV cells in use, 0 to 1. */
  kvShare: z.number(),
  tokensPerSecond: z.number(),
});
export type Load = z.infer<typeof Load>;

export const Capabilities = z.object({
  worker: z.string(),
  engine: z.enum(['native', 'simulated']),
  models: z.array(ServedModel),
  load: Load,
});
export type Capabilities = z.infer<typeof Capabilities>;
