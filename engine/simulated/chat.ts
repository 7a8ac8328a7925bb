import { type ChatInput, type ChatMessage, type ChatPrompt, EngineError } from '../types.ts';
import { tokenizeText, vocabulary } from './vocabulary.ts';

/** Shown as the model's template; renderChat below does what it says, and adds names and tool calls. */
export const CHAT_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** Messages between control tokens, as ChatML writes them; a tool's answer must name its call. */
export function renderChat(input: ChatInput): ChatPrompt {
  if (input.messages.length === 0) throw new EngineError('template_failed', 'the template needs at least one message');
  const tokens = input.messages.flatMap(renderMessage);
  if (input.addGenerationPrompt) tokens.push(vocabulary.messageStart, ...tokenizeText('assistant\n'));
  return { tokens: Int32Array.from(tokens), stops: [] };
}

function renderMessage(message: ChatMessage): number[] {
  if (message.role === 'tool' && message.toolCallId === undefined) {
    throw new EngineError('template_failed', 'the template needs a tool_call_id with every tool message');
  }
  return [
    vocabulary.messageStart,
    ...tokenizeText(headOf(message)),
    ...tokenizeText(message.content),
    ...(message.toolCalls ?? []).flatMap((call) => tokenizeText(`\n${call.id} ${call.name} ${call.arguments}`)),
    vocabulary.messageEnd,
    ...tokenizeText('\n'),
  ];
}

function headOf(message: ChatMessage): string {
  return `${[message.role, message.name, message.toolCallId].filter((part) => part !== undefined).join(' ')}\n`;
}
