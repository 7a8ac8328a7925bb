/** The messages of a chat request, as OpenAI's API reference has them and as the worker wants them. */
import * as z from 'zod';
import type { GenerateRequest } from '../worker.ts';
import { refused } from './fields.ts';
import { MAX_CONTENT_PARTS, MAX_TOOL_CALLS } from './limits.ts';

const promptCacheBreakpoint = refused().schema;

const TextPart = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  prompt_cache_breakpoint: promptCacheBreakpoint,
});
const RefusalPart = z.strictObject({ type: z.literal('refusal'), refusal: z.string() });

const partsOf = <Part extends z.ZodType>(part: Part) => z.array(part).min(1).max(MAX_CONTENT_PARTS);
const TextContent = z.union([z.string(), partsOf(z.discriminatedUnion('type', [TextPart]))]);
const AssistantContent = z.union([z.string(), partsOf(z.discriminatedUnion('type', [TextPart, RefusalPart]))]);
type Content = z.infer<typeof AssistantContent>;

const ToolCall = z.discriminatedUnion('type', [
  z.strictObject({
    id: z.string().min(1),
    type: z.literal('function'),
    function: z.strictObject({ name: z.string().min(1), arguments: z.string() }),
  }),
]);

const name = z.string().min(1).optional();

const Instruction = z.strictObject({ role: z.enum(['system', 'developer']), content: TextContent, name });
const User = z.strictObject({ role: z.literal('user'), content: TextContent, name });
const Tool = z.strictObject({
  role: z.literal('tool'),
  content: TextContent,
  tool_call_id: z.string().min(1),
  name,
});
const Assistant = z
  .strictObject({
    role: z.literal('assistant'),
    content: AssistantContent.nullish(),
    refusal: z.string().nullish(),
    name,
    tool_calls: z.array(ToolCall).max(MAX_TOOL_CALLS).optional(),
    audio: refused(z.null()).schema,
    function_call: refused(z.null(), "Use 'tool_calls' instead.").schema,
    annotations: refused(z.tuple([])).schema,
  })
  .superRefine((message, context) => {
    const says = message.content ?? message.refusal ?? null;
    if (says === null && !message.tool_calls?.length) {
      context.addIssue({
        code: 'custom',
        path: ['content'],
        params: { code: 'invalid_value' },
        message: "An assistant message without 'tool_calls' needs 'content' of text.",
      });
    }
  });

/** A message of a request body. */
export const Message = z.discriminatedUnion('role', [Instruction, User, Assistant, Tool]);

/** A message as the worker takes it. */
export type ChatMessage = Extract<GenerateRequest['input'], { type: 'chat' }>['messages'][number];

export function toChatMessage(message: z.infer<typeof Message>): ChatMessage {
  const parts = toParts(message.content);
  const named = message.name === undefined ? {} : { name: message.name };
  switch (message.role) {
    case 'system':
    case 'developer':
      return { role: 'system', parts, ...named };
    case 'user':
      return { role: 'user', parts, ...named };
    case 'tool':
      return { role: 'tool', parts, ...named, toolCallId: message.tool_call_id };
    case 'assistant': {
      if (message.refusal) parts.push({ type: 'text', text: message.refusal });
      const toolCalls = message.tool_calls?.map((call) => ({ id: call.id, ...call.function }));
      return { role: 'assistant', parts, ...named, ...(toolCalls?.length ? { toolCalls } : {}) };
    }
  }
}

function toParts(content: Content | null | undefined): ChatMessage['parts'] {
  if (content === null || content === undefined) return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return content.map((part) => ({ type: 'text', text: part.type === 'text' ? part.text : part.refusal }));
}
