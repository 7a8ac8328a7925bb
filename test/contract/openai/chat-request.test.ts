import type { ChatCompletionCreateParamsBase } from 'openai/resources/chat/completions/completions';
import { describe, expect, it } from 'vitest';
import { chatRequestFields, parseChatRequest } from '#contract/openai/chat-request.ts';
import { InvalidRequest } from '#contract/openai/problems.ts';

const messages = [{ role: 'user', content: 'Hello' }];
const parse = (body: unknown, ignorable: string[] = []) => parseChatRequest(body, new Set(ignorable));
const parsed = (fields: object) => parse({ model: 'm', messages, ...fields }).request;
const parsedMessage = (message: object) => parse({ model: 'm', messages: [message] }).request.messages[0];

function refusalOf(body: unknown, ignorable: string[] = []): InvalidRequest {
  try {
    parse(body, ignorable);
  } catch (error) {
    if (error instanceof InvalidRequest) return error;
    throw error;
  }
  throw new Error('The request was accepted');
}
const refusalOfField = (fields: object) => refusalOf({ model: 'm', messages, ...fields });
const refusalOfMessage = (message: unknown) => refusalOf({ model: 'm', messages: [message] });

describe('a valid request', () => {
  it('has every default filled in', () => {
    expect(parsed({})).toEqual({
      model: 'm',
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }],
      sampling: {
        temperature: 1,
        topP: 1,
        topK: 0,
        minP: 0,
        frequencyPenalty: 0,
        presencePenalty: 0,
        seed: null,
        ignoreEos: false,
        logitBias: [],
      },
      maxTokens: null,
      stops: [],
      choices: 1,
      topLogprobs: null,
      stream: false,
      includeUsage: false,
    });
  });

  it('takes null for a default where the reference says so', () => {
    const nullable = [
      'temperature',
      'top_p',
      'seed',
      'max_tokens',
      'max_completion_tokens',
      'stop',
      'frequency_penalty',
      'presence_penalty',
      'stream',
      'stream_options',
      'top_k',
      'min_p',
      'ignore_eos',
    ];
    expect(parsed(Object.fromEntries(nullable.map((name) => [name, null])))).toEqual(parsed({}));
  });

  it('passes every sampling parameter on', () => {
    const { sampling, maxTokens } = parsed({
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      min_p: 0.05,
      frequency_penalty: -1,
      presence_penalty: 2,
      seed: 7,
      ignore_eos: true,
      logit_bias: { 5: -100, 7: 2.5 },
      max_completion_tokens: 64,
    });
    expect(sampling).toEqual({
      temperature: 0.5,
      topP: 0.9,
      topK: 40,
      minP: 0.05,
      frequencyPenalty: -1,
      presencePenalty: 2,
      seed: 7,
      ignoreEos: true,
      logitBias: [
        [5, -100],
        [7, 2.5],
      ],
    });
    expect(maxTokens).toBe(64);
  });

  it.each([
    ['max_tokens alone', { max_tokens: 5 }, 5],
    ['both names with one value', { max_tokens: 5, max_completion_tokens: 5 }, 5],
  ])('takes the token limit from %s', (_, fields, limit) => {
    expect(parsed(fields).maxTokens).toBe(limit);
  });

  it.each([
    ['a string', 'END', ['END']],
    ['a list', ['a', 'b', 'c', 'd'], ['a', 'b', 'c', 'd']],
    ['an empty list', [], []],
  ])('takes stop as %s', (_, stop, stops) => {
    expect(parsed({ stop }).stops).toEqual(stops);
  });

  it('keeps negative seeds apart from each other and within what the worker takes', () => {
    const seeds = [-1, -2, -(2 ** 53 - 1)].map((seed) => parsed({ seed }).sampling.seed);
    expect(seeds).toEqual([2 ** 53 - 1, 2 ** 53 - 2, 1]);
  });
});

describe('messages', () => {
  it.each([
    ['system', 'system'],
    ['developer', 'system'],
    ['user', 'user'],
  ])('of role %s become %s', (role, workerRole) => {
    expect(parsedMessage({ role, content: 'x', name: 'Ann' })).toEqual({
      role: workerRole,
      parts: [{ type: 'text', text: 'x' }],
      name: 'Ann',
    });
  });

  it('may have text in parts', () => {
    const content = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    expect(parsedMessage({ role: 'user', content })?.parts).toEqual(content);
  });

  it('carry the tool calls of an assistant without content', () => {
    const call = { id: 'call_1', type: 'function', function: { name: 'clock', arguments: '{}' } };
    expect(parsedMessage({ role: 'assistant', content: null, tool_calls: [call] })).toEqual({
      role: 'assistant',
      parts: [],
      toolCalls: [{ id: 'call_1', name: 'clock', arguments: '{}' }],
    });
  });

  it('carry the result of a tool', () => {
    expect(parsedMessage({ role: 'tool', content: '12:00', tool_call_id: 'call_1' })).toEqual({
      role: 'tool',
      parts: [{ type: 'text', text: '12:00' }],
      toolCallId: 'call_1',
    });
  });

  it.each([{ content: [{ type: 'refusal', refusal: 'No.' }] }, { content: null, refusal: 'No.' }, { refusal: 'No.' }])(
    'have a refusal as text: %j',
    (fields) => {
      expect(parsedMessage({ role: 'assistant', ...fields })?.parts).toEqual([{ type: 'text', text: 'No.' }]);
    },
  );

  it('take back what a completion answered, with the nulls that SDKs add', () => {
    const answered = {
      role: 'assistant',
      content: 'Hi',
      refusal: null,
      audio: null,
      function_call: null,
      annotations: [],
    };
    expect(parsedMessage(answered)).toEqual({ role: 'assistant', parts: [{ type: 'text', text: 'Hi' }] });
  });

  it.each([
    ['no role', { content: 'x' }, 'messages[0].role', 'missing_required_parameter'],
    ['an unknown role', { role: 'function', content: 'x' }, 'messages[0].role', 'invalid_value'],
    ['no content', { role: 'user' }, 'messages[0].content', 'missing_required_parameter'],
    ['content null', { role: 'user', content: null }, 'messages[0].content', 'invalid_type'],
    ['content of another type', { role: 'user', content: 5 }, 'messages[0].content', 'invalid_type'],
    ['no parts', { role: 'user', content: [] }, 'messages[0].content', 'empty_array'],
    [
      'an image',
      {
        role: 'user',
        content: [
          { type: 'text', text: 'x' },
          { type: 'image_url', image_url: { url: 'x' } },
        ],
      },
      'messages[0].content[1].type',
      'invalid_value',
    ],
    [
      'a refusal of the user',
      { role: 'user', content: [{ type: 'refusal', refusal: 'x' }] },
      'messages[0].content[0].type',
      'invalid_value',
    ],
    ['an assistant who says nothing', { role: 'assistant', content: null }, 'messages[0].content', 'invalid_value'],
    ['an assistant without anything', { role: 'assistant', tool_calls: [] }, 'messages[0].content', 'invalid_value'],
    [
      'a tool without its call',
      { role: 'tool', content: 'x' },
      'messages[0].tool_call_id',
      'missing_required_parameter',
    ],
    [
      'a custom tool call',
      { role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'x', input: 'y' } }] },
      'messages[0].tool_calls[0].type',
      'invalid_value',
    ],
    [
      'a deprecated function call',
      { role: 'assistant', content: 'x', function_call: { name: 'f', arguments: '' } },
      'messages[0].function_call',
      'unsupported_parameter',
    ],
    [
      'a cache breakpoint',
      { role: 'user', content: [{ type: 'text', text: 'x', prompt_cache_breakpoint: { mode: 'explicit' } }] },
      'messages[0].content[0].prompt_cache_breakpoint',
      'unsupported_parameter',
    ],
    ['an unknown field', { role: 'user', content: 'x', colour: 'red' }, 'messages[0].colour', 'unknown_parameter'],
    ['something else than an object', 'x', 'messages[0]', 'invalid_type'],
  ])('are refused with %s', (_, message, param, code) => {
    expect(refusalOfMessage(message)).toMatchObject({ param, code });
  });
});

describe('a field of the wrong kind or size', () => {
  it.each([
    [{ model: undefined }, 'model', 'missing_required_parameter'],
    [{ model: '' }, 'model', 'empty_string'],
    [{ model: 'm'.repeat(257) }, 'model', 'string_above_max_length'],
    [{ messages: undefined }, 'messages', 'missing_required_parameter'],
    [{ messages: [] }, 'messages', 'empty_array'],
    [{ messages: {} }, 'messages', 'invalid_type'],
    [{ temperature: 2.1 }, 'temperature', 'decimal_above_max_value'],
    [{ temperature: -0.1 }, 'temperature', 'decimal_below_min_value'],
    [{ temperature: '1' }, 'temperature', 'invalid_type'],
    [{ temperature: Number.POSITIVE_INFINITY }, 'temperature', 'invalid_type'],
    [{ top_p: 1.5 }, 'top_p', 'decimal_above_max_value'],
    [{ top_k: -1 }, 'top_k', 'integer_below_min_value'],
    [{ min_p: 1.5 }, 'min_p', 'decimal_above_max_value'],
    [{ frequency_penalty: -2.5 }, 'frequency_penalty', 'decimal_below_min_value'],
    [{ presence_penalty: 2.5 }, 'presence_penalty', 'decimal_above_max_value'],
    [{ seed: 1.5 }, 'seed', 'invalid_type'],
    [{ seed: 2 ** 60 }, 'seed', 'integer_above_max_value'],
    [{ max_tokens: 0 }, 'max_tokens', 'integer_below_min_value'],
    [{ max_completion_tokens: 0 }, 'max_completion_tokens', 'integer_below_min_value'],
    [{ max_tokens: 5, max_completion_tokens: 6 }, 'max_tokens', 'invalid_value'],
    [{ stop: '' }, 'stop', 'empty_string'],
    [{ stop: ['a', ''] }, 'stop[1]', 'empty_string'],
    [{ stop: 'x'.repeat(1025) }, 'stop', 'string_above_max_length'],
    [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'array_above_max_length'],
    [{ stop: 5 }, 'stop', 'invalid_type'],
    [{ stream: 'true' }, 'stream', 'invalid_type'],
    [{ stream_options: { include_usage: true } }, 'stream_options', 'invalid_value'],
    [{ stream: true, stream_options: { include_usage: 1 } }, 'stream_options.include_usage', 'invalid_type'],
    [{ stream: true, stream_options: { other: 1 } }, 'stream_options.other', 'unknown_parameter'],
    [{ ignore_eos: 1 }, 'ignore_eos', 'invalid_type'],
  ])('is refused by name: %j', (fields, param, code) => {
    const refusal = refusalOfField(fields);
    expect(refusal).toMatchObject({ param, code });
    expect(refusal.message).toContain(`'${param}'`);
  });

  it.each([[null], [[]], ['text'], [5], [true]])('has no place in a body that is no object: %j', (body) => {
    expect(refusalOf(body)).toMatchObject({ param: null, code: 'invalid_type' });
  });

  it('is told together with all others', () => {
    const { message, param } = refusalOf({ messages, temperature: 3, tools: 2, colour: 'red', stop: 5 });
    for (const name of ['model', 'temperature', 'tools', 'colour', 'stop']) expect(message).toContain(`'${name}'`);
    expect(param).toBe('model');
  });

  it('is told by number where there are too many', () => {
    const { message } = refusalOf({ model: 'm', messages: Array.from({ length: 100 }, () => ({ role: 'x' })) });
    expect(message).toContain('And 84 more.');
  });
});

describe("OpenAI's fields that are not done yet", () => {
  it.each([
    { audio: { format: 'wav', voice: 'ash' } },
    { function_call: 'auto' },
    { functions: [] },
    { modalities: ['text', 'audio'] },
    { moderation: { model: 'x' } },
    { prompt_cache_options: { mode: 'explicit' } },
    { prompt_cache_retention: '24h' },
    { reasoning_effort: 'low' },
    { response_format: { type: 'json_object' } },
    { store: true },
    { tool_choice: 'required' },
    { tools: [{ type: 'function', function: { name: 'f' } }] },
    { verbosity: 'low' },
    { web_search_options: {} },
  ])('are refused by name: %j', (fields) => {
    const [name] = Object.keys(fields);
    expect(refusalOfField(fields)).toMatchObject({ param: name, code: 'unsupported_parameter' });
  });

  it.each([
    { metadata: { a: 'b' } },
    { prediction: { type: 'content', content: 'x' } },
    { prediction: { type: 'content', content: [{ type: 'text', text: 'x' }] } },
    { prompt_cache_key: 'k' },
    { safety_identifier: 'u' },
    { service_tier: 'flex' },
    { user: 'u' },
  ])('are accepted where they do not change the answer: %j', (fields) => {
    expect(parsed(fields)).toEqual(parsed({}));
  });

  it.each([
    { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, pair) => [`name${pair}`, 'x'])) },
    { metadata: { a: 1 } },
    { metadata: { ['n'.repeat(65)]: 'x' } },
    { metadata: { a: 'x'.repeat(513) } },
    { logit_bias: { a: 1 } },
    { logit_bias: { 5: 101 } },
    { logit_bias: { '-1': 1 } },
    { n: 0 },
    { top_logprobs: 3 },
    { logprobs: true, top_logprobs: 21 },
    { n: 129 },
    { n: 1.5 },
    { prediction: { type: 'content' } },
    { safety_identifier: 5 },
    { service_tier: 'fast' },
    { user: 'u'.repeat(513) },
  ])('are refused beyond their bounds: %j', (fields) => {
    const name = Object.keys(fields).at(-1);
    expect(refusalOfField(fields).param).toMatch(new RegExp(`^${name}`));
  });

  it.each([
    { audio: null },
    { logit_bias: {} },
    { logit_bias: null },
    { logprobs: false },
    { logprobs: null },
    { metadata: {} },
    { modalities: ['text'] },
    { n: 1 },
    { n: null },
    { parallel_tool_calls: false },
    { prediction: null },
    { reasoning_effort: null },
    { response_format: { type: 'text' } },
    { service_tier: 'auto' },
    { service_tier: 'default' },
    { store: false },
    { stream: true, stream_options: { include_obfuscation: false } },
    { tool_choice: 'none' },
    { tools: [] },
    { top_logprobs: 0 },
    { verbosity: 'medium' },
  ])('pass with a value that asks for nothing: %j', (fields) => {
    expect({ ...parsed(fields), stream: false }).toEqual(parsed({}));
  });

  it('are declared, every one that the official client knows', () => {
    const everyParameter: Record<keyof ChatCompletionCreateParamsBase, unknown> = chatRequestFields;
    expect(Object.keys(everyParameter)).toContain('messages');
  });
});

describe('unknown fields', () => {
  it('are refused in the words of OpenAI', () => {
    expect(refusalOfField({ foo: 1 })).toMatchObject({
      message: "Unknown parameter: 'foo'.",
      param: 'foo',
      code: 'unknown_parameter',
    });
  });

  it('are left out where the configuration says so, and told', () => {
    const { request, ignored } = parse({ model: 'm', messages, foo: 1, bar: 2 }, ['foo', 'bar', 'baz']);
    expect(ignored).toEqual(['foo', 'bar']);
    expect(request).toEqual(parsed({}));
  });

  it('may be ones of OpenAI that are not done yet, but never ones that work', () => {
    const { request, ignored } = parse({ model: 'm', messages, store: true, temperature: 0 }, ['store', 'temperature']);
    expect(ignored).toEqual(['store']);
    expect(request.sampling.temperature).toBe(0);
  });

  it('named like parts of an object are refused too', () => {
    for (const name of ['constructor', 'toString', 'hasOwnProperty']) {
      expect(refusalOfField({ [name]: 1 })).toMatchObject({ param: name, code: 'unknown_parameter' });
    }
  });
});
