// `npm test`: prepares what is missing, then checks and tests everything. Arguments go to Vitest.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildAddon, fetchDefaultModel, installDependencies, runCommand } from './prepare.mjs';
import { runNpm, runPinned } from './toolchain.mjs';

await runCommand(async () => {
  await installDependencies(console.log);
  await buildAddon(console.log);
  const hasModel = await fetchDefaultModel();
  const checked = await runNpm(['run', '--silent', 'check']);
  const tested = await runTests(hasModel ? {} : { SLUICE_TEST_WITHOUT_MODEL: '1' });
  if (!hasModel) console.log('Skipped: tests of the default model, because it could not be fetched (see above)');
  return checked || tested;
});

/**
 * Runs Vitest and ends with the counts on a line of their own.
 * @param {Record<string, string>} env
 * @returns {Promise<number>} the exit code
 */
async function runTests(env) {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const report = join(folder, 'report.json');
  try {
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const code = await runPinned('node_modules/vitest/vitest.mjs', ['run', ...reporters, ...process.argv.slice(2)], {
      env,
    });
    if (!existsSync(report)) return code || 1;
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, 'utf8'));
    console.log(`Tests: ${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`);
    return code;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
