// `npm start`: prepares what is missing, then serves on the pinned Node (main.ts). Plain JavaScript without
// dependencies: it runs on the user's Node, before `npm ci`.
import { OptionError } from './option-values.mjs';
import { helpText, parseOptions } from './options.mjs';
import { buildAddon, installDependencies, runCommand } from './prepare.mjs';
import { runPinned } from './toolchain.mjs';

const WRONG_USAGE = 2;

await runCommand(async () => {
  const args = process.argv.slice(2);
  try {
    if (parseOptions(args, process.env).help) {
      console.log(helpText());
      return 0;
    }
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    console.error(error.message);
    return WRONG_USAGE;
  }
  await installDependencies(console.log);
  if (process.env.SLUICE_ENGINE !== 'simulated') await buildAddon(console.log);
  return runPinned('dev/main.ts', args, { tellWhenGone: true });
});
