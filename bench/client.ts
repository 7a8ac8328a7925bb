/** Load: streams of one measurement, against a worker or an OpenAI-compatible server. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import type { GenerateRequest } from '#contract/worker.ts';

export interface Sampling {
  name: string;
  temperature: number;
  topP: number;
}

export interface StreamSpec {
  prompt: string;
  /** Exactly so many are generated: end-of-generation tokens are ignored. */
  tokens: number;
  sampling: Sampling;
}

/** Milliseconds, from sending the request. */
export interface StreamTimes {
  tokens: number;
  firstToken: number;
  end: number;
  gaps: number[];
}

export interface Target {
  name: string;
  /** It runs in processes that the bench started. */
  isOurs: boolean;
  stream(spec: StreamSpec): Promise<StreamTimes>;
}

const connections = new Agent({ keepAlive: true });

async function post(url: URL, key: string, body: object): Promise<IncomingMessage> {
  const sent = request(url, {
    agent: connections,
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
  });
  sent.end(JSON.stringify(body));
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  if (response.statusCode === 200) return response.setEncoding('utf8');
  const text = (await response.setEncoding('utf8').toArray()).join('');
  throw new Error(`${url} answered ${response.statusCode}: ${text}`);
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  for await (const text of response) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    yield* lines;
  }
}

/** Notes when text came; a burst of tokens in one message counts its gap once. */
class Stopwatch {
  readonly #start = performance.now();
  readonly #arrivals: number[] = [];

  note(): void {
    this.#arrivals.push(performance.now() - this.#start);
  }

  finish(tokens: number): StreamTimes {
    const arrivals = this.#arrivals;
    return {
      tokens,
      firstToken: arrivals[0] ?? Number.NaN,
      end: performance.now() - this.#start,
      gaps: arrivals.slice(1).map((at, index) => at - arrivals[index]!),
    };
  }
}

export function workerTarget(options: { url: string; token: string; model: string; version: string }): Target {
  const toRequest = ({ prompt, tokens, sampling }: StreamSpec): GenerateRequest => ({
    id: randomUUID(),
    attempt: 1,
    kind: 'generate',
    model: options.model,
    version: options.version,
    adapter: null,
    tenant: 'bench',
    cacheSalt: 'bench',
    prefixKeys: [],
    priority: 5,
    deadline: Date.now() + 600_000,
    traceparent: null,
    detached: false,
    input: { type: 'chat', messages: [{ role: 'user', parts: [{ type: 'text', text: prompt }] }] },
    choices: 1,
    sampling: {
      temperature: sampling.temperature,
      topP: sampling.topP,
      topK: 0,
      minP: 0,
      frequencyPenalty: 0,
      presencePenalty: 0,
      seed: 1,
      ignoreEos: true,
      logitBias: [],
    },
    maxTokens: tokens,
    stops: [],
    topLogprobs: null,
  });
  return {
    name: 'worker',
    isOurs: true,
    async stream(spec) {
      const stopwatch = new Stopwatch();
      let tokens = 0;
      for await (const line of linesOf(await post(new URL('/generate', options.url), options.token, toRequest(spec)))) {
        const event = JSON.parse(line);
        if (event.type === 'delta') stopwatch.note();
        if (event.type === 'error') throw new Error(event.message);
        if (event.type === 'end') tokens = event.usage.completionTokens;
      }
      return stopwatch.finish(tokens);
    },
  };
}

/** @param baseUrl ends in `/v1` */
export function openAiTarget(options: {
  name: string;
  isOurs: boolean;
  baseUrl: string;
  key: string;
  model: string;
}): Target {
  return {
    name: options.name,
    isOurs: options.isOurs,
    async stream({ prompt, tokens, sampling }) {
      const stopwatch = new Stopwatch();
      let counted = 0;
      const response = await post(new URL(`${options.baseUrl}/chat/completions`), options.key, {
        model: options.model,
        messages: [{ role: 'user', content: prompt }],
        max_tokens: tokens,
        temperature: sampling.temperature,
        top_p: sampling.topP,
        stream: true,
        stream_options: { include_usage: true },
        ignore_eos: true,
      });
      for await (const line of linesOf(response)) {
        if (!line.startsWith('data: {')) continue;
        const chunk = JSON.parse(line.slice('data: '.length));
        if (chunk.error) throw new Error(chunk.error.message);
        if (chunk.choices[0]?.delta?.content) stopwatch.note();
        if (chunk.usage) counted = chunk.usage.completion_tokens;
      }
      return stopwatch.finish(counted);
    },
  };
}
