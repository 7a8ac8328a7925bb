import { LOCAL_KEY } from './options.mjs';

export interface Announcement {
  /** Of the gateway, without a slash at the end. */
  url: string;
  apiKey: string;
  /** Model id for the examples. */
  model: string;
}

/** The last lines of a start: where Sluice is, and two examples that run as they stand. */
export function announcement({ url, apiKey, model }: Announcement): string {
  const isLocalKey = apiKey === LOCAL_KEY;
  const key = isLocalKey ? LOCAL_KEY : 'YOUR_KEY';
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'What is a sluice?' }], max_tokens: 100 });
  return [
    `Sluice is ready: ${url}/v1 (key: ${isLocalKey ? LOCAL_KEY : 'the one you configured'})`,
    '',
    `curl ${url}/v1/chat/completions -H 'authorization: Bearer ${key}' -H 'content-type: application/json' -d '${body}'`,
    '',
    'from openai import OpenAI',
    `client = OpenAI(base_url="${url}/v1", api_key="${key}")`,
    'question = [{"role": "user", "content": "What is a sluice?"}]',
    `for chunk in client.chat.completions.create(model="${model}", messages=question, stream=True):`,
    '    print(chunk.choices[0].delta.content or "", end="", flush=True)',
  ].join('\n');
}
