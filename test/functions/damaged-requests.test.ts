import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { chatRequestFields } from '#contract/openai/chat-request.ts';
import { ErrorBody } from '#contract/openai/error.ts';
import { chatBody, type Front, startFront } from './front.ts';

let front: Front;
beforeAll(async () => {
  front = await startFront({ answer: (exchange) => exchange.answer('x') });
});
afterAll(() => front.close());

const oddValue = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<unknown>,
  fc.constantFrom<unknown>(
    '\ud800',
    '\u0000',
    '',
    -0,
    1e308,
    2 ** 53,
    {},
    [],
    [[]],
    { type: 'text' },
    { __proto__: null },
  ),
);
const fieldName = fc.oneof(fc.constantFrom(...Object.keys(chatRequestFields)), fc.string());
const oddFields = fc.dictionary(fieldName, oddValue, { maxKeys: 4 });
const oddMessage = fc.record(
  {
    role: fc.oneof(fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool', 'function'), oddValue),
    content: oddValue,
    tool_calls: oddValue,
    tool_call_id: oddValue,
    name: oddValue,
  },
  { requiredKeys: [] },
);
const oddBody = fc
  .tuple(oddFields, fc.array(fc.oneof(fc.constant({ role: 'user', content: 'x' }), oddMessage), { maxLength: 3 }))
  .map(([fields, messages]) => JSON.stringify(chatBody({ messages, ...fields })));
/** The text of a body with one character replaced, or with its end cut off. */
const brokenText = fc
  .tuple(oddBody, fc.nat(), fc.string({ maxLength: 2 }), fc.boolean())
  .map(([text, at, other, isCut]) => {
    const place = at % text.length;
    return isCut ? text.slice(0, place) : text.slice(0, place) + other + text.slice(place + 1);
  });

it('no damaged request makes the server fail', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(oddBody, brokenText), async (body) => {
      const response = await front.post('/v1/chat/completions', undefined, { body });
      const text = await response.text();
      expect([200, 400, 404]).toContain(response.status);
      if (response.status !== 200) ErrorBody.parse(JSON.parse(text));
    }),
    { numRuns: 600 },
  );
});
