import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';

const API_KEY = 'sk-local';

const START = fileURLToPath(new URL('../../dev/start.mjs', import.meta.url));
const READY = /^Sluice is ready: (http:\/\/\S+\/v1) \(key: .*\)$/m;

/** `npm test` sets it where the default model could not be fetched, and says so. */
export const hasDefaultModel = process.env.SLUICE_TEST_WITHOUT_MODEL === undefined;

export interface ProductOptions {
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

/** One run of `npm start`, with a data folder of its own and on a free port. */
export class Product {
  readonly #process: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'));
  readonly #exited: Promise<number>;
  #hasExited = false;
  #output = '';
  #onOutput: () => void = () => undefined;

  constructor({ args = [], env = {} }: ProductOptions = {}) {
    const given = args.includes('--port') ? args : ['--port', '0', ...args];
    this.#process = spawn(process.execPath, [START, ...given], {
      env: { ...process.env, SLUICE_DATA: this.#folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, as a shell gives each command: signals to it reach nobody else.
      detached: true,
    });
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        this.#onOutput();
      });
    }
    this.#exited = once(this.#process, 'close').then(([code]) => {
      this.#hasExited = true;
      this.#onOutput();
      return code as number;
    });
  }

  /** Everything it has written, to both streams. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#process.pid!;
  }

  /** Exit code; resolves when nothing of it holds its streams any more. */
  get exited(): Promise<number> {
    return this.#exited;
  }

  /** Waits for its output, one caller at a time; rejects with all of it where it ends without. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    while (true) {
      const match = pattern.exec(this.#output);
      if (match) return match;
      if (this.#hasExited) throw new Error(`ended without ${pattern}:\n${this.#output}`);
      await new Promise<void>((resolve) => {
        this.#onOutput = resolve;
      });
    }
  }

  /** Base URL for clients. */
  async ready(): Promise<string> {
    return (await this.says(READY))[1]!;
  }

  /** A client that never retries by itself. */
  async client(): Promise<OpenAI> {
    return new OpenAI({ baseURL: await this.ready(), apiKey: API_KEY, maxRetries: 0 });
  }

  /** Pids of the worker processes. */
  workers(): number[] {
    return this.descendants()
      .filter(({ command }) => command.endsWith('container/main.ts'))
      .map(({ pid }) => pid);
  }

  /** All processes below the one that the user started. */
  descendants(): { pid: number; command: string }[] {
    const rows = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
    const processes = rows.map((row) => {
      const [pid, parent, ...command] = row.trim().split(/\s+/);
      return { pid: Number(pid), parent: Number(parent), command: command.join(' ') };
    });
    const below = (pid: number): typeof processes =>
      processes.filter(({ parent }) => parent === pid).flatMap((child) => [child, ...below(child.pid)]);
    return below(this.pid);
  }

  /** As Ctrl-C in a terminal does: to everybody in the group. */
  interrupt(): void {
    process.kill(-this.pid, 'SIGINT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasExited) this.#process.kill('SIGTERM');
    const patience = setTimeout(() => this.#process.kill('SIGKILL'), 35_000);
    await this.#exited;
    clearTimeout(patience);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** False also for a process that has ended and whose parent has not asked for its exit code yet. */
export function isRunning(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.startsWith('Z');
}
