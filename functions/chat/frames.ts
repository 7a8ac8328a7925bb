/** A streamed response: the frames of its server-sent events. */
import type { ChatCompletionChunk } from '#contract/openai/chat-response.ts';
import type { Spoken } from '#fleet/event-reader.ts';
import { contentLogprobs } from './logprobs.ts';
import { identityOf, type Reply } from './reply.ts';
import { type ChoiceEnd, usageOf } from './usage.ts';

const DONE = 'data: [DONE]\n\n';

type ChunkChoice = ChatCompletionChunk['choices'][number];

/** Yields one string per batch, so that what arrived together is sent together. */
export async function* chatFrames(reply: Reply, includeUsage: boolean): AsyncGenerator<string, void, void> {
  const chunk = chunkFrames(reply, includeUsage);
  const ends: ChoiceEnd[] = [];
  const frameOf = (event: Spoken): string => {
    switch (event.type) {
      case 'delta':
        return deltaFrame(event);
      case 'end':
        ends.push(event);
        return chunk.choice({ index: event.choice, delta: {}, logprobs: null, finish_reason: event.finish });
      default:
        return '';
    }
  };

  const deltaFrame = ({ choice, text, logprobs }: Extract<Spoken, { type: 'delta' }>): string => {
    if (logprobs === undefined) return text === '' ? '' : chunk.text(choice, text);
    const delta = { content: text };
    return chunk.choice({ index: choice, delta, logprobs: contentLogprobs(logprobs), finish_reason: null });
  };

  let frames = roleFrames(reply, chunk);
  for await (const batch of reply.batches) {
    for (const event of batch) frames += frameOf(event);
    if (ends.length === reply.choices) frames += (includeUsage ? chunk.usage(ends) : '') + DONE;
    if (frames !== '') yield frames;
    frames = '';
  }
}

function roleFrames(reply: Reply, chunk: ReturnType<typeof chunkFrames>): string {
  const choices = Array.from({ length: reply.choices }, (_, index) => index);
  const delta = { role: 'assistant' as const, content: '', refusal: null };
  return choices.map((index) => chunk.choice({ index, delta, logprobs: null, finish_reason: null })).join('');
}

/** Chunks differ in their choice only: the JSON around it is made once, and with it most of what a token costs. */
function chunkFrames(reply: Reply, includeUsage: boolean) {
  const shared = JSON.stringify({ ...identityOf(reply), object: 'chat.completion.chunk' }).slice(0, -1);
  const head = `data: ${shared},"choices":[`;
  const tail = includeUsage ? '],"usage":null}\n\n' : ']}\n\n';
  return {
    text: (index: number, text: string) =>
      `${head}{"index":${index},"delta":{"content":${JSON.stringify(text)}},"logprobs":null,"finish_reason":null}${tail}`,
    choice: (choice: ChunkChoice) => head + JSON.stringify(choice) + tail,
    usage: (ends: readonly ChoiceEnd[]) => `${head}],"usage":${JSON.stringify(usageOf(ends))}}\n\n`,
  };
}
