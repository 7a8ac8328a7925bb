/** The body of `POST /v1/chat/completions`: its fields, and the request that a valid one becomes. */
import * as z from 'zod';
import type { GenerateRequest } from '../worker.ts';
import { type ChatMessage, Message, toChatMessage } from './chat-messages.ts';
import { accepted, extension, refused, schemasOf, supported } from './fields.ts';
import {
  MAX_BIASED_TOKENS,
  MAX_CHOICES,
  MAX_IDENTIFIER_LENGTH,
  MAX_MESSAGES,
  MAX_METADATA,
  MAX_MODEL_ID_LENGTH,
  MAX_STOP_LENGTH,
  MAX_STOPS,
  MAX_TOP_LOGPROBS,
} from './limits.ts';
import { InvalidRequest, problemsOf } from './problems.ts';

const penalty = () => z.number().min(-2).max(2).nullish();
const tokenLimit = () => z.int().min(1).nullish();
const identifier = () => z.string().max(MAX_IDENTIFIER_LENGTH).nullish();
const metadata = z
  .record(z.string().max(MAX_METADATA.name), z.string().max(MAX_METADATA.value))
  .refine(
    (pairs) => Object.keys(pairs).length <= MAX_METADATA.pairs,
    `At most ${MAX_METADATA.pairs} pairs are allowed.`,
  );
const logitBias = z
  .record(z.string().regex(/^\d{1,9}$/), z.number().min(-100).max(100))
  .refine(
    (biases) => Object.keys(biases).length <= MAX_BIASED_TOKENS,
    `At most ${MAX_BIASED_TOKENS} tokens are allowed.`,
  );
const predictedText = z.strictObject({
  type: z.literal('content'),
  content: z.union([z.string(), z.array(z.strictObject({ type: z.literal('text'), text: z.string() })).min(1)]),
});
const stopString = z.string().min(1).max(MAX_STOP_LENGTH);

const streamOptionFields = {
  include_usage: supported(z.boolean().optional()),
  include_obfuscation: refused(z.literal(false)),
};

/** Every field of OpenAI's API reference, and Sluice's own. */
export const chatRequestFields = {
  model: supported(z.string().min(1).max(MAX_MODEL_ID_LENGTH)),
  messages: supported(z.array(Message).min(1).max(MAX_MESSAGES), 'Text only.'),
  stream: supported(z.boolean().nullish()),
  stream_options: supported(z.strictObject(schemasOf(streamOptionFields)).nullish()),
  temperature: supported(z.number().min(0).max(2).nullish()),
  top_p: supported(z.number().min(0).max(1).nullish()),
  seed: supported(z.int().nullish(), 'Between -(2^53 - 1) and 2^53 - 1.'),
  max_completion_tokens: supported(tokenLimit()),
  max_tokens: supported(tokenLimit(), 'The older name of max_completion_tokens.'),
  stop: supported(
    z.union([stopString, z.array(stopString).max(MAX_STOPS)]).nullish(),
    `At most ${MAX_STOPS} strings of at most ${MAX_STOP_LENGTH} characters.`,
  ),
  frequency_penalty: supported(penalty()),
  presence_penalty: supported(penalty()),
  logit_bias: supported(logitBias.nullish(), "Token ids of the model's own vocabulary."),
  logprobs: supported(
    z.boolean().nullish(),
    'By the model alone, before biases, penalties, temperature and truncation.',
  ),
  top_logprobs: supported(z.int().min(0).max(MAX_TOP_LOGPROBS).nullish()),
  n: supported(z.int().min(1).max(MAX_CHOICES).nullish(), 'The prompt is computed once for all choices.'),

  metadata: accepted(metadata.nullish(), 'Nothing is stored yet that it could describe.'),
  prediction: accepted(predictedText.nullish(), 'Changes how fast an answer comes at most, never the answer.'),
  prompt_cache_key: accepted(identifier(), 'There is no cache across requests yet.'),
  safety_identifier: accepted(identifier(), 'Not kept.'),
  service_tier: accepted(
    z.enum(['auto', 'default', 'flex', 'scale', 'priority']).nullish(),
    "Every request is served alike, and the answer says 'default'.",
  ),
  user: accepted(identifier(), 'Not kept.'),

  top_k: extension(z.int().min(0).nullish(), 'Picks among the k most likely tokens; 0 keeps all.'),
  min_p: extension(z.number().min(0).max(1).nullish(), 'Least probability relative to the most likely token.'),
  ignore_eos: extension(z.boolean().nullish(), 'Generates up to the token limit.'),

  audio: refused(z.null()),
  function_call: refused(undefined, "Use 'tool_choice' instead."),
  functions: refused(undefined, "Use 'tools' instead."),
  modalities: refused(z.tuple([z.literal('text')]).nullable()),
  moderation: refused(z.null()),
  parallel_tool_calls: refused(z.boolean(), 'Means nothing without tools.'),
  prompt_cache_options: refused(),
  prompt_cache_retention: refused(z.null()),
  reasoning_effort: refused(z.null()),
  response_format: refused(z.strictObject({ type: z.literal('text') })),
  store: refused(z.literal(false).nullable()),
  tool_choice: refused(z.enum(['none', 'auto'])),
  tools: refused(z.tuple([])),
  verbosity: refused(z.literal('medium').nullable()),
  web_search_options: refused(),
};

const ChatRequestBody = z.strictObject(schemasOf(chatRequestFields)).superRefine((body, context) => {
  const refuse = (name: keyof typeof body, message: string) =>
    context.addIssue({ code: 'custom', path: [name], params: { code: 'invalid_value' }, message });
  const { max_tokens: older, max_completion_tokens: newer } = body;
  if (typeof older === 'number' && typeof newer === 'number' && older !== newer) {
    refuse('max_tokens', `Must equal 'max_completion_tokens' (${newer}) where both are given, but is ${older}.`);
  }
  if (body.top_logprobs && !body.logprobs) refuse('top_logprobs', "Only allowed when 'logprobs' is true.");
  if (body.stream_options && !body.stream) refuse('stream_options', "Only allowed when 'stream' is true.");
});

/** A valid request, free of OpenAI's JSON; every default is filled in. */
export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  /** `seed` is null where the client gave none. */
  sampling: Omit<GenerateRequest['sampling'], 'seed'> & { seed: number | null };
  /** null: up to the context. */
  maxTokens: number | null;
  stops: string[];
  choices: number;
  /** Log-probabilities with so many alternatives; null: none. */
  topLogprobs: number | null;
  stream: boolean;
  /** A last chunk tells the usage; only with `stream`. */
  includeUsage: boolean;
}

/**
 * @param ignorable names of fields that are left out where Sluice does not do them
 * @returns the request and the names of the fields that were ignored
 * @throws InvalidRequest with every problem found
 */
export function parseChatRequest(
  body: unknown,
  ignorable: ReadonlySet<string>,
): { request: ChatRequest; ignored: string[] } {
  const { kept, ignored } = leaveOut(body, ignorable);
  const parsed = ChatRequestBody.safeParse(kept, { reportInput: true });
  if (!parsed.success) throw new InvalidRequest(problemsOf(parsed.error));
  return { request: toChatRequest(parsed.data), ignored };
}

function leaveOut(body: unknown, ignorable: ReadonlySet<string>): { kept: unknown; ignored: string[] } {
  if (ignorable.size === 0 || typeof body !== 'object' || body === null || Array.isArray(body)) {
    return { kept: body, ignored: [] };
  }
  const ignored = Object.keys(body).filter((name) => ignorable.has(name) && !works(name));
  const kept = Object.fromEntries(Object.entries(body).filter(([name]) => !ignored.includes(name)));
  return { kept, ignored };
}

function works(name: string): boolean {
  const fields: Record<string, { status: string }> = chatRequestFields;
  return Object.hasOwn(fields, name) && fields[name]?.status !== 'refused';
}

function toChatRequest(body: z.infer<typeof ChatRequestBody>): ChatRequest {
  const { stop } = body;
  return {
    model: body.model,
    messages: body.messages.map(toChatMessage),
    sampling: {
      temperature: body.temperature ?? 1,
      topP: body.top_p ?? 1,
      topK: body.top_k ?? 0,
      minP: body.min_p ?? 0,
      frequencyPenalty: body.frequency_penalty ?? 0,
      presencePenalty: body.presence_penalty ?? 0,
      seed: typeof body.seed === 'number' ? nonNegativeSeed(body.seed) : null,
      ignoreEos: body.ignore_eos ?? false,
      logitBias: Object.entries(body.logit_bias ?? {}).map(([token, bias]) => [Number(token), bias]),
    },
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? null,
    stops: typeof stop === 'string' ? [stop] : (stop ?? []),
    choices: body.n ?? 1,
    topLogprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
  };
}

/** OpenAI's seeds are signed, the worker's are not; -1 becomes 2^53 - 1. */
function nonNegativeSeed(seed: number): number {
  return seed < 0 ? seed + 2 ** 53 : seed;
}
