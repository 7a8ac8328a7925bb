import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEFAULT_MODEL, helpText, LOCAL_KEY, OPTIONS, optionsTable, parseOptions } from '#dev/options.mjs';

it('has defaults for everything', () => {
  expect(parseOptions([], {})).toEqual({
    models: [DEFAULT_MODEL],
    aliases: [],
    port: 8080,
    host: '127.0.0.1',
    apiKey: LOCAL_KEY,
    context: undefined,
    slots: 8,
    threads: undefined,
    gpuLayers: -1,
    cacheType: 'f16',
    verbose: false,
    help: false,
  });
});

it('reads the command line, with values behind a space or an equals sign', () => {
  const line = '--model a.gguf --model=hf:o/r/b.gguf --alias a --port 0 --gpu-layers -1 --cache-type=q8_0 --verbose';
  expect(parseOptions(line.split(' '), {})).toMatchObject({
    models: ['a.gguf', 'hf:o/r/b.gguf'],
    aliases: ['a'],
    port: 0,
    gpuLayers: -1,
    cacheType: 'q8_0',
    verbose: true,
  });
});

it('keeps equals signs that belong to the value', () => {
  expect(parseOptions(['--api-key=sk-a=b='], {}).apiKey).toBe('sk-a=b=');
});

it('reads every option from the environment, and the command line wins', () => {
  const env = { SLUICE_MODEL: 'a.gguf, b.gguf', SLUICE_PORT: '9000', SLUICE_SLOTS: '2', SLUICE_VERBOSE: '1' };
  expect(parseOptions(['--port', '9001'], env)).toMatchObject({
    models: ['a.gguf', 'b.gguf'],
    port: 9001,
    slots: 2,
    verbose: true,
  });
});

it('takes an empty variable as not given', () => {
  expect(parseOptions([], { SLUICE_PORT: '', SLUICE_MODEL: '' })).toEqual(parseOptions([], {}));
});

it.each([
  [['--prot', '1'], 'unknown option --prot'],
  [['serve'], 'unknown option serve'],
  [['--port'], '--port needs a value'],
  [['--port', '65536'], '--port: "65536" is not a whole number from 0 to 65535'],
  [['--port', '80.5'], 'not a whole number'],
  [['--slots', '0'], 'not a whole number from 1'],
  [['--cache-type', 'q3'], '"q3" is not one of f32'],
  [['--alias', 'a b'], 'is not a model id'],
  [['--alias', 'a', '--alias', 'b'], '2 times --alias for 1 --model'],
  [['--api-key', 'a,b'], 'without commas'],
  [['--verbose=maybe'], 'neither on nor off'],
  [['--model', ''], '--model: is empty'],
])('refuses %j', (args, message) => {
  expect(() => parseOptions(args, {})).toThrow(
    expect.objectContaining({ name: 'OptionError', message: expect.stringContaining(message) }),
  );
});

it('names the variable where the environment is at fault', () => {
  expect(() => parseOptions([], { SLUICE_PORT: 'x' })).toThrow('SLUICE_PORT: "x"');
});

it.each(['0.0.0.0', '::', '192.168.1.2', '127.0.0.1.example.org'])(
  'does not open %s with the key that everybody knows',
  (host) => {
    expect(() => parseOptions(['--host', host], {})).toThrow('set an --api-key of your own');
    expect(parseOptions(['--host', host, '--api-key', 'sk-mine'], {}).host).toBe(host);
  },
);

it.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('takes %s as loopback', (host) => {
  expect(parseOptions(['--host', host], {}).host).toBe(host);
});

it('explains every option in --help', () => {
  const help = helpText();
  for (const { flag, env, key } of OPTIONS) {
    expect(help).toContain(`  ${flag}`);
    if (key !== 'help') expect(help).toContain(env);
  }
});

it('is what the README shows', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  expect(readme).toContain(optionsTable());
});
