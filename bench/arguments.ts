import { parseArgs } from 'node:util';

export interface BenchArguments {
  rounds: number;
  tokens: number;
  streams: readonly number[];
  threads: number;
  json: boolean;
  /** Base URL of another OpenAI-compatible server, to be measured in turns with ours. */
  against: string | undefined;
  key: string;
  /** Model id to ask the other server for. */
  againstModel: string;
}

export const USAGE = `npm run bench -- [options]
  --rounds N          rounds that count (default 5)
  --tokens N          tokens of each stream (default 64)
  --streams A,B,C     streams at once (default 1,8,16)
  --threads N         threads of the engine (default 2)
  --against URL       another OpenAI-compatible server (…/v1), measured in turns with ours
  --key K             its API key (default: none)
  --against-model ID  its model id (default: default)
  --json              one line of JSON instead of tables`;

/** Throws TypeError for what it does not know. */
export function parseArguments(argv: readonly string[]): BenchArguments | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      rounds: { type: 'string', default: '5' },
      tokens: { type: 'string', default: '64' },
      streams: { type: 'string', default: '1,8,16' },
      threads: { type: 'string', default: '2' },
      against: { type: 'string' },
      key: { type: 'string', default: 'none' },
      'against-model': { type: 'string', default: 'default' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    rounds: positive(values.rounds, '--rounds'),
    tokens: positive(values.tokens, '--tokens'),
    streams: values.streams.split(',').map((text) => positive(text, '--streams')),
    threads: positive(values.threads, '--threads'),
    json: values.json,
    against: values.against,
    key: values.key,
    againstModel: values['against-model'],
  };
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new TypeError(`${name} takes whole numbers from 1, not '${text}'`);
  return value;
}
