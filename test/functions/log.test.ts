import { afterEach, expect, it } from 'vitest';
import { API_KEY, chatBody, type Front, startFront } from './front.ts';

let front: Front;
afterEach(() => front.close());

const CHAT = '/v1/chat/completions';

it.each([false, true])('a request leaves one line with its figures (streamed: %s)', async (stream) => {
  front = await startFront({ answer: (exchange) => exchange.answer('Hel', 'lo') });
  const logging = front.nextLogLine();
  const response = await front.post(CHAT, chatBody({ stream }), { headers: { 'x-request-id': 'mine' } });
  await response.text();
  expect(await logging).toMatchObject({
    level: 30,
    requestId: 'mine',
    route: CHAT,
    id: front.worker.exchanges[0]?.request.id,
    model: 'tiny',
    version: 'v1',
    promptTokens: 5,
    cachedTokens: 2,
    completionTokens: 2,
    queueMs: 1,
    prefillMs: 2,
    decodeMs: 3,
    status: 200,
    durationMs: expect.any(Number),
  });
  expect(front.log).toHaveLength(1);
});

it('nothing that is logged tells a prompt, an answer or a key', async () => {
  front = await startFront({
    answer: (exchange) => {
      const { messages } = exchange.request.input as { messages: { parts: { text: string }[] }[] };
      const text = messages[0]?.parts[0]?.text ?? '';
      if (text.includes('fail')) exchange.fail('internal', { message: text });
      else if (text.includes('garble')) exchange.write(`${text}\n`);
      else if (text.includes('template')) exchange.fail('template_failed', { message: text });
      else exchange.answer(text);
    },
  });
  const sensitive = 'hush-hush';
  const say = (content: unknown, fields: object = {}) => chatBody({ messages: [{ role: 'user', content }], ...fields });
  const wrongKey = { headers: { authorization: `Bearer ${sensitive}` } };
  const bodies = [
    say(sensitive),
    say(sensitive, { stream: true }),
    say(`${sensitive} fail`),
    say(`${sensitive} garble`),
    say(`${sensitive} template`),
    say([{ type: sensitive }]),
    say('x', { model: sensitive }),
    say('x', { [sensitive]: 1 }),
  ];
  for (const body of bodies) await (await front.post(CHAT, body)).text();
  for (const init of [{ body: `{"${sensitive}": ${sensitive}` }, wrongKey]) {
    await (await front.post(CHAT, say(sensitive), init)).text();
  }
  const last = front.nextLogLine();
  await front.get(`/v1/models/${sensitive}?key=${sensitive}`);
  await last;
  expect(front.log).toHaveLength(bodies.length + 3);
  for (const line of front.log) {
    expect(line).not.toContain(sensitive);
    expect(line).not.toContain(API_KEY);
  }
});
