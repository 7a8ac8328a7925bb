import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { announcement } from '#dev/announcement.ts';
import { LOCAL_KEY } from '#dev/options.mjs';

const started = { url: 'http://127.0.0.1:8080', apiKey: LOCAL_KEY, model: 'smollm2-135m-instruct' };

it('says where Sluice is and with which key', () => {
  expect(announcement(started).split('\n')[0]).toBe('Sluice is ready: http://127.0.0.1:8080/v1 (key: sk-local)');
});

it('gives the examples that the README gives', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const [ready, curl, python] = announcement(started).split('\n\n');
  for (const part of [ready, curl, python]) expect(readme).toContain(part);
  expect(python!.split('\n')).toHaveLength(5);
});

it('does not print a key that is a secret', () => {
  expect(announcement({ ...started, apiKey: 'sk-mine' })).not.toContain('sk-mine');
});
