import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ErrorBody } from '#contract/openai/error.ts';
import { API_KEY, chatBody, type Front, startFront } from './front.ts';

let front: Front;
beforeAll(async () => {
  front = await startFront({ answer: (exchange) => exchange.answer('x') });
});
afterAll(() => front.close());

async function errorOf(response: Response) {
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(response.headers.get('x-request-id')).toBeTruthy();
  const { error } = ErrorBody.parse(await response.json());
  return { status: response.status, ...error };
}

const CHAT = '/v1/chat/completions';

describe('authentication', () => {
  it.each([
    ['no header', {}],
    ['a wrong key', { authorization: 'Bearer sk-wrong' }],
    ['the beginning of a key', { authorization: `Bearer ${API_KEY.slice(0, -1)}` }],
    ['more than a key', { authorization: `Bearer ${API_KEY}x` }],
    ['another scheme', { authorization: `Basic ${API_KEY}` }],
    ['an empty key', { authorization: 'Bearer ' }],
  ])('refuses %s', async (_, headers) => {
    for (const [method, path] of [
      ['POST', CHAT],
      ['GET', '/v1/models'],
      ['GET', '/v1/models/tiny'],
    ]) {
      const response = await fetch(front.url + path, {
        method: method as string,
        headers: headers as Record<string, string>,
      });
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
      expect(await errorOf(response)).toMatchObject({
        status: 401,
        type: 'invalid_request_error',
        code: 'invalid_api_key',
      });
    }
  });

  it('takes each configured key, in any spelling of the scheme', async () => {
    for (const authorization of [`Bearer ${API_KEY}`, 'bearer sk-other']) {
      expect((await fetch(`${front.url}/v1/models`, { headers: { authorization } })).status).toBe(200);
    }
  });
});

describe('a bad request', () => {
  it.each([
    ['no JSON', '{"model":', 'invalid_json', null],
    ['no body', '', 'invalid_json', null],
    ['an unknown field', JSON.stringify(chatBody({ foo: 1 })), 'unknown_parameter', 'foo'],
    ['a prototype', '{"model":"tiny","messages":[],"__proto__":{}}', 'unknown_parameter', '__proto__'],
    ['something not done yet', JSON.stringify(chatBody({ store: true })), 'unsupported_parameter', 'store'],
    ['too many levels', `{"model":${'['.repeat(65)}${']'.repeat(65)}}`, 'json_too_deep', null],
  ])('with %s is 400', async (_, body, code, param) => {
    const response = await front.post(CHAT, undefined, { body });
    expect(await errorOf(response)).toMatchObject({ status: 400, type: 'invalid_request_error', code, param });
  });

  it('for an unknown model is 404', async () => {
    const response = await front.post(CHAT, chatBody({ model: 'huge' }));
    expect(await errorOf(response)).toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('over five megabytes is 413', async () => {
    const big = (bytes: number) => JSON.stringify(chatBody({ user: 'x'.repeat(bytes) }));
    expect(await errorOf(await front.post(CHAT, undefined, { body: big(5_000_000) }))).toMatchObject({
      status: 413,
      type: 'invalid_request_error',
      code: 'request_too_large',
    });
    expect(await errorOf(await front.post(CHAT, undefined, { body: big(4_900_000) }))).toMatchObject({ status: 400 });
  });

  it('is read as base64 where the gateway took it for binary', async () => {
    const headers = { 'content-type': 'application/octet-stream' };
    expect((await front.post(CHAT, chatBody(), { headers })).status).toBe(200);
  });
});

describe('routes', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['POST', '/v1/completions'],
    ['GET', '/v1/models/a/b'],
    ['PATCH', '/nowhere'],
  ])('that do not exist are 404: %s %s', async (method, path) => {
    const response = await fetch(front.url + path, { method });
    expect(await errorOf(response)).toMatchObject({ status: 404, type: 'invalid_request_error', code: 'unknown_url' });
  });

  it.each([
    ['GET', CHAT, 'POST'],
    ['POST', '/v1/models', 'GET'],
    ['DELETE', '/v1/models/tiny', 'GET'],
    ['PUT', '/health', 'GET'],
    ['OPTIONS', CHAT, 'POST'],
  ])('answer other methods with 405: %s %s', async (method, path, allow) => {
    const response = await fetch(front.url + path, { method });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await errorOf(response)).toMatchObject({ status: 405, code: 'method_not_supported' });
  });
});

describe('the request id', () => {
  it.each(['mine-1', 'a/b:c=d', 'x'.repeat(128)])('is the one of the client: %s', async (id) => {
    for (const path of ['/health', '/nowhere', '/v1/models']) {
      const response = await front.get(path, { headers: { 'x-request-id': id } });
      expect(response.headers.get('x-request-id')).toBe(id);
    }
  });

  it.each(['', 'with space', 'é', 'x'.repeat(129)])('is a new one where that is not valid: %j', async (id) => {
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      const headers = { 'x-request-id': Buffer.from(id).toString('latin1') };
      request(`${front.url}/health`, { headers, agent: false }, resolve).on('error', reject).end();
    });
    response.resume();
    expect(response.headers['x-request-id']).toMatch(/^req_[\w-]{36}$/);
  });
});
