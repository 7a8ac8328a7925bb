import { describe, expect, it } from 'vitest';
import { parseJsonBody } from '#contract/openai/json.ts';
import { MAX_JSON_DEPTH } from '#contract/openai/limits.ts';

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('parseJsonBody', () => {
  it('reads JSON', () => {
    expect(parseJsonBody('{"a":[1,{"b":null}]}')).toEqual({ a: [1, { b: null }] });
  });

  it.each(['', '{', 'nonsense', '{"a":NaN}', "{'a':1}"])('refuses what is not JSON: %j', (text) => {
    expect(() => parseJsonBody(text)).toThrow(expect.objectContaining({ code: 'invalid_json', param: null }));
  });

  it('does not quote the text in its message', () => {
    expect(() => parseJsonBody('{"secret": hush}')).toThrow(/^The body of the request is not valid JSON\.$/);
  });

  it('takes the depth it documents, and no more', () => {
    expect(parseJsonBody(nested(MAX_JSON_DEPTH))).toBeInstanceOf(Array);
    expect(() => parseJsonBody(nested(MAX_JSON_DEPTH + 1))).toThrow(expect.objectContaining({ code: 'json_too_deep' }));
    expect(() => parseJsonBody(nested(500_000))).toThrow(expect.objectContaining({ code: 'json_too_deep' }));
  });

  it.each(['{"__proto__":{"a":1}}', '{"a":[{"__proto__":1}]}'])('refuses a prototype: %s', (text) => {
    expect(() => parseJsonBody(text)).toThrow(expect.objectContaining({ param: '__proto__' }));
  });
});
