// The rest of `npm start`, on the pinned Node: models, registry, workers, gateway; then the lines that say so.
import { announcement } from './announcement.ts';
import { OptionError } from './option-values.mjs';
import { parseOptions } from './options.mjs';
import { serve } from './serve.ts';
import { listenForShutdown } from './shutdown.ts';
import { Supervisor, WorkerFailure } from './supervisor.ts';
import { SetupError } from './toolchain.mjs';

const ENDED_AT_ONCE = 130;

const shutdown = listenForShutdown(async () => {
  await Supervisor.killAll();
  process.exit(ENDED_AT_ONCE);
});
process.exit(await serveUntilAsked());

/** Returns the exit code. Whatever was opened is closed before, the last first. */
async function serveUntilAsked(): Promise<number> {
  await using opened = new AsyncDisposableStack();
  try {
    const options = parseOptions(process.argv.slice(2), process.env);
    const serving = await shutdown.orElse(serve(options, opened, { log: console.log, signal: shutdown.signal }));
    console.log(announcement(serving));
    await shutdown.requested;
    console.log('Stopping: running requests may finish within 30 s, Ctrl-C again ends at once');
    return 0;
  } catch (error) {
    if (shutdown.signal.aborted) return 0;
    if (!isForTheUser(error)) throw error;
    console.error(error.message);
    return 1;
  }
}

function isForTheUser(error: unknown): error is Error {
  return [OptionError, SetupError, WorkerFailure].some((kind) => error instanceof kind);
}
