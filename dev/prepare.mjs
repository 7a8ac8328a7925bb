// Brings a checkout to the state that running needs: dependencies, the native addon and, on request, the default
// model. Does nothing that is already done. Plain JavaScript without dependencies: it runs before `npm ci`.
// Usage: node dev/prepare.mjs [SCRIPT [ARGUMENTS...]] prepares, then runs a script of ours on the pinned Node.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isPinnedNodeInstalled, ROOT, requireTools, runNpm, runPinned, SetupError } from './toolchain.mjs';

/**
 * @param {(line: string) => void} log
 * @throws {SetupError}
 */
export async function installDependencies(log) {
  if (areDependenciesInstalled()) return;
  requireTools();
  log('Installing dependencies (npm ci)');
  const code = await runNpm(['ci', '--loglevel=error']);
  if (code !== 0) throw new SetupError(`npm ci failed with exit code ${code}`);
  if (!isPinnedNodeInstalled()) throw new SetupError('npm ci left out Node 24: run it without --omit=optional');
}

/** Compares what npm recorded in node_modules with package-lock.json. */
function areDependenciesInstalled() {
  if (!isPinnedNodeInstalled()) return false;
  const wanted = readPackages('package-lock.json');
  const installed = readPackages('node_modules/.package-lock.json');
  return Object.entries(wanted).every(
    ([place, { version, optional }]) =>
      place === '' || installed[place]?.version === version || (optional && !installed[place]),
  );
}

/**
 * @param {string} file
 * @returns {Record<string, { version: string, optional?: boolean }>} by place in the tree; empty without the file
 */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(join(ROOT, file), 'utf8')).packages;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return {};
    throw error;
  }
}

/**
 * @param {(line: string) => void} log
 * @throws {SetupError}
 */
export async function buildAddon(log) {
  const build = await import('../engine/build.mjs');
  try {
    await build.buildAddon({ log });
  } catch (error) {
    requireTools();
    const { message, stderr } = /** @type {Error & { stderr?: string }} */ (error);
    throw new SetupError(`The native addon cannot be built: ${stderr || message}`);
  }
}

/** Fetches the default model; says what failed and returns false where it cannot be had. */
export const fetchDefaultModel = async () => (await runPinned('dev/models/fetch.ts', [])) === 0;

/**
 * Runs a command of ours; what stands in its way is told in plain lines.
 * @param {() => Promise<number>} command returns the exit code
 */
export async function runCommand(command) {
  try {
    process.exitCode = await command();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runCommand(async () => {
    await installDependencies(console.log);
    await buildAddon(console.log);
    const hasModel = await fetchDefaultModel();
    const [script, ...args] = process.argv.slice(2);
    if (!hasModel || !script) return hasModel ? 0 : 1;
    return runPinned(script, args);
  });
}
