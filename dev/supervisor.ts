/** Keeps one worker process alive. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

export interface SupervisorOptions {
  /** The model it serves, for messages. */
  name: string;
  /** The worker's whole environment. */
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
  /** Share of the model that is loaded, 0 to 1. */
  onProgress?: (fraction: number) => void;
  /** The worker's program; tests give their own. */
  program?: string;
  /** Pause before the first restart; doubles with each further one. */
  restartMs?: number;
}

/** The worker could not begin to serve, and would fail the same way again; the message is one line. */
export class WorkerFailure extends Error {
  override name = 'WorkerFailure';
}

const WorkerMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), fraction: z.number() }),
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('failed'), code: z.string(), message: z.string() }),
]);

const WORKER_PROGRAM = fileURLToPath(new URL('../container/main.ts', import.meta.url));
const LONGEST_RESTART_MS = 30_000;
/** A worker that served for this long begins anew with the shortest pause when it dies. */
const STEADY_MS = 60_000;

/**
 * Starts the worker and starts it again whenever it dies, until stopped. A worker that fails before it was ready for
 * the first time is not started again: its configuration is at fault.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #started = Promise.withResolvers<void>();
  #worker: ChildProcess | undefined;
  #restart: NodeJS.Timeout | undefined;
  #restarts = 0;
  #hasServed = false;
  #isStopping = false;

  static readonly #running = new Set<Supervisor>();

  /** Ends all workers of this process without waiting for their requests. */
  static async killAll(): Promise<void> {
    await Promise.all([...Supervisor.#running].map((supervisor) => supervisor.stop({ graceMs: 0 })));
  }

  constructor(options: SupervisorOptions) {
    this.#options = options;
    Supervisor.#running.add(this);
    this.#started.promise.catch(() => undefined);
    this.#start();
  }

  /** Resolves when the worker serves for the first time; rejects with WorkerFailure. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** Lets running requests finish, `graceMs` at most, then ends the worker. Resolves when it is gone. */
  async stop({ graceMs }: { graceMs: number }): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restart);
    const worker = this.#worker;
    if (!worker || hasEnded(worker)) return;
    const gone = once(worker, 'exit');
    worker.kill('SIGTERM');
    const cut = setTimeout(() => worker.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(cut);
  }

  #start(): void {
    const { program = WORKER_PROGRAM, env } = this.#options;
    // A process group of its own: Ctrl-C in the terminal reaches the worker only through stop().
    const worker = spawn(process.execPath, [...process.execArgv, program], {
      env,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#worker = worker;
    let readyAt: number | undefined;
    let failure: string | undefined;
    worker.on('message', (message) => {
      const told = WorkerMessage.parse(message);
      if (told.type === 'progress') this.#options.onProgress?.(told.fraction);
      if (told.type === 'failed') failure = told.message;
      if (told.type === 'ready') {
        readyAt = performance.now();
        this.#serve();
      }
    });
    worker.once('error', (error) => this.#end(error.message, readyAt));
    worker.once('exit', (code, signal) => this.#end(failure ?? describeExit(code, signal), readyAt));
  }

  #serve(): void {
    if (this.#hasServed) this.#options.log(`The worker of ${this.#options.name} serves again`);
    this.#hasServed = true;
    this.#started.resolve();
  }

  #end(reason: string, readyAt: number | undefined): void {
    const { name, log, restartMs = 500 } = this.#options;
    if (!this.#hasServed) this.#started.reject(new WorkerFailure(reason));
    if (this.#isStopping || !this.#hasServed) return;
    const wasSteady = readyAt !== undefined && performance.now() - readyAt > STEADY_MS;
    this.#restarts = wasSteady ? 0 : this.#restarts;
    const pauseMs = withJitter(Math.min(LONGEST_RESTART_MS, restartMs * 2 ** this.#restarts));
    this.#restarts += 1;
    log(`The worker of ${name} ended (${reason}); starting it again in ${(pauseMs / 1000).toFixed(1)} s`);
    this.#restart = setTimeout(() => this.#start(), pauseMs);
  }
}

const hasEnded = (worker: ChildProcess) => worker.exitCode !== null || worker.signalCode !== null;

/** Between half and all of the pause, so that several workers do not load at the same moment. */
const withJitter = (ms: number) => ms * (0.5 + Math.random() / 2);

function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === 'SIGKILL') return 'the worker was killed, by the system if memory ran out';
  if (signal) return `the worker ended by ${signal}`;
  return `the worker ended with exit code ${code}`;
}
