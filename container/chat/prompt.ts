/** What a request asks the model to continue, as tokens. */
import type { GenerateRequest } from '#contract/worker.ts';
import { type ChatMessage, type ChatPrompt, type Engine, EngineError } from '#engine/types.ts';
import { Refusal } from '../refusal.ts';

type Input = GenerateRequest['input'];
type WorkerMessage = Extract<Input, { type: 'chat' }>['messages'][number];

/** @throws Refusal `template_failed` or `invalid_request` */
export async function renderPrompt(engine: Engine, input: Input): Promise<ChatPrompt> {
  const prompt = await promptOf(engine, input);
  if (prompt.tokens.length === 0) throw new Refusal('invalid_request', 'The prompt is empty.');
  return prompt;
}

async function promptOf(engine: Engine, input: Input): Promise<ChatPrompt> {
  switch (input.type) {
    case 'chat':
      return renderMessages(engine, input.messages);
    case 'text':
      return { tokens: engine.tokenize(input.text, { special: true, addSpecial: true }), stops: [] };
    case 'tokens': {
      const unknown = input.tokens.find((token) => token >= engine.model.vocabularySize);
      if (unknown !== undefined) throw new Refusal('invalid_request', `The model has no token ${unknown}.`);
      return { tokens: Int32Array.from(input.tokens), stops: [] };
    }
  }
}

async function renderMessages(engine: Engine, messages: readonly WorkerMessage[]): Promise<ChatPrompt> {
  try {
    return await engine.renderChat({ messages: messages.map(toChatMessage), addGenerationPrompt: true });
  } catch (error) {
    if (error instanceof EngineError && error.code === 'template_failed') {
      throw new Refusal('template_failed', error.message, { cause: error });
    }
    throw error;
  }
}

function toChatMessage({ parts, role, name, toolCalls, toolCallId }: WorkerMessage): ChatMessage {
  return {
    role,
    content: parts.map((part) => part.text).join(''),
    ...(name === undefined ? {} : { name }),
    ...(toolCalls === undefined ? {} : { toolCalls }),
    ...(toolCallId === undefined ? {} : { toolCallId }),
  };
}
