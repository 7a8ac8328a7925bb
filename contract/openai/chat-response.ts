/** What `POST /v1/chat/completions` answers: one object, or chunks of a stream. */
import * as z from 'zod';

const count = z.int().nonnegative();

export const Usage = z.strictObject({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.strictObject({ cached_tokens: count, audio_tokens: count }),
  completion_tokens_details: z.strictObject({
    reasoning_tokens: count,
    audio_tokens: count,
    accepted_prediction_tokens: count,
    rejected_prediction_tokens: count,
  }),
});
export type Usage = z.infer<typeof Usage>;

const candidate = { token: z.string(), logprob: z.number(), bytes: z.array(z.int().min(0).max(255)).nullable() };
const Logprobs = z.strictObject({
  content: z.array(z.strictObject({ ...candidate, top_logprobs: z.array(z.strictObject(candidate)) })),
  refusal: z.null(),
});
export type Logprobs = z.infer<typeof Logprobs>;

const FinishReason = z.enum(['stop', 'length']);

/** What the object and every chunk of one response have in common. */
const responseFields = {
  id: z.string(),
  /** Unix seconds. */
  created: z.int(),
  model: z.string(),
  service_tier: z.literal('default'),
  /** Names the version of the model that answered. */
  system_fingerprint: z.string(),
};

export const ChatCompletion = z.strictObject({
  ...responseFields,
  object: z.literal('chat.completion'),
  choices: z.array(
    z.strictObject({
      index: count,
      message: z.strictObject({ role: z.literal('assistant'), content: z.string(), refusal: z.null() }),
      logprobs: Logprobs.nullable(),
      finish_reason: FinishReason,
    }),
  ),
  usage: Usage,
});
export type ChatCompletion = z.infer<typeof ChatCompletion>;

export const ChatCompletionChunk = z.strictObject({
  ...responseFields,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.strictObject({
      index: count,
      delta: z.strictObject({
        role: z.literal('assistant').optional(),
        content: z.string().optional(),
        refusal: z.null().optional(),
      }),
      logprobs: Logprobs.nullable(),
      finish_reason: FinishReason.nullable(),
    }),
  ),
  /** Only where the request asked for it: null but in the last chunk. */
  usage: Usage.nullable().optional(),
});
export type ChatCompletionChunk = z.infer<typeof ChatCompletionChunk>;
