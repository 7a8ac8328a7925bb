/** `npm run bench`: what Sluice reaches of the hardware's limit, directly at the worker and through the gateway. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { obtainModel } from '#dev/models/model.ts';
import { DEFAULT_MODEL } from '#dev/options.mjs';
import { NativeEngine, quantizeToQ8 } from '#engine';
import { type BenchArguments, parseArguments, USAGE } from './arguments.ts';
import { openAiTarget, type Sampling, type Target, workerTarget } from './client.ts';
import { measureOverhead } from './overhead.ts';
import { printTable, ratiosOf, summarise } from './report.ts';
import { runRounds } from './rounds.ts';
import type { StackAddress, StackOptions } from './stack.ts';

const SAMPLINGS: readonly Sampling[] = [
  { name: 'greedy', temperature: 0, topP: 1 },
  { name: 'defaults', temperature: 1, topP: 1 },
  { name: 'top_p 0.9', temperature: 1, topP: 0.9 },
];
const CONTEXT = 512;

const RATIOS = [
  { name: 'worker / limit', of: 'worker', to: 'limit', toSampling: 'argmax' },
  { name: 'gateway / worker', of: 'gateway', to: 'worker' },
  { name: 'gateway / other', of: 'gateway', to: 'other' },
];

async function startStack(options: StackOptions): Promise<{ address: StackAddress; process: ChildProcess }> {
  const child = fork(join(import.meta.dirname, 'stack.ts'));
  child.send(options);
  const [address] = (await once(child, 'message')) as [StackAddress];
  return { address, process: child };
}

async function stopStack(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.disconnect();
  await gone;
}

/** ggml has no batched CPU kernel for the default model's Q4_1, which would hide the scheduler. */
async function requantise(path: string): Promise<string> {
  const target = join(dirname(path), 'bench-q8_0.gguf');
  if (existsSync(target)) return target;
  const partial = `${target}.${process.pid}`;
  await quantizeToQ8(path, partial);
  renameSync(partial, target);
  return target;
}

async function run(options: BenchArguments): Promise<void> {
  const say = (line: string) => console.error(line);
  const overhead = await withStack(
    { path: undefined, slots: 16, context: CONTEXT, threads: options.threads },
    ({ worker, gateway }) => measureOverhead(worker, gateway),
  );
  say(`handler and gateway add ${overhead.addedMs.toFixed(3)} ms to the time to first token (p50, simulated engine)`);

  const path = await requantise(
    (await obtainModel(DEFAULT_MODEL, { log: say, signal: new AbortController().signal })).path,
  );
  const slots = Math.max(...options.streams);
  const size = { path, slots, context: CONTEXT, threads: options.threads };
  const limit = await NativeEngine.load(size);
  const { cells, discarded } = await withStack(size, ({ worker, gateway }) => {
    const targets = [worker, gateway];
    if (options.against !== undefined) {
      targets.push(
        openAiTarget({
          name: 'other',
          isOurs: false,
          baseUrl: options.against,
          key: options.key,
          model: options.againstModel,
        }),
      );
    }
    return runRounds({ ...options, samplings: SAMPLINGS, targets, limit, onProgress: say });
  });
  await limit.close();

  if (cells.length === 0) {
    say(`No round counts: others used the processors in all ${discarded}. Measure on a quiet machine.`);
    process.exitCode = 1;
    return;
  }
  const summaries = summarise(cells);
  const ratios = ratiosOf(cells, RATIOS);
  if (options.json) {
    console.log(JSON.stringify({ overhead, discarded, summaries, ratios }));
    return;
  }
  printTable(summaries, ratios);
  console.log(
    `\nHandler and gateway add ${overhead.addedMs.toFixed(3)} ms to the time to first token (p50, simulated engine).`,
  );
  console.log(`Rounds discarded because others used the processors: ${discarded}.`);
}

async function withStack<Result>(
  options: StackOptions,
  use: (targets: { worker: Target; gateway: Target }) => Promise<Result>,
): Promise<Result> {
  const stack = await startStack(options);
  const { worker, token, gateway, key, model, version } = stack.address;
  try {
    return await use({
      worker: workerTarget({ url: worker, token, model, version }),
      gateway: openAiTarget({ name: 'gateway', isOurs: true, baseUrl: gateway, key, model }),
    });
  } finally {
    await stopStack(stack.process);
  }
}

try {
  const options = parseArguments(process.argv.slice(2));
  if (options === 'help') console.log(USAGE);
  else await run(options);
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
