import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Supervisor } from '#dev/supervisor.ts';
import { temporaryFolder } from '../support/folder.ts';

const program = fileURLToPath(new URL('./obedient-worker.mjs', import.meta.url));

function supervise(behaviour: string) {
  const lines: string[] = [];
  const fractions: number[] = [];
  const starts = join(temporaryFolder(), 'starts');
  const supervisor = new Supervisor({
    name: 'm',
    program,
    restartMs: 1,
    env: { ...process.env, FAKE_WORKER: behaviour, FAKE_WORKER_LOG: starts },
    log: (line) => lines.push(line),
    onProgress: (fraction) => fractions.push(fraction),
  });
  onTestFinished(() => supervisor.stop({ graceMs: 0 }));
  const pids = () => readFileSync(starts, 'utf8').trim().split('\n').map(Number);
  const says = (text: string) => vi.waitFor(() => expect(lines.join('\n')).toContain(text), { timeout: 10_000 });
  return { supervisor, lines, fractions, pids, says };
}

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

it('resolves when the worker is ready and passes on how far it is', async () => {
  const { supervisor, fractions, pids } = supervise('serves');
  await supervisor.started;
  expect(fractions).toEqual([0.5]);
  await supervisor.stop({ graceMs: 10_000 });
  expect(pids().map(isRunning)).toEqual([false]);
});

it('starts a worker again that died', async () => {
  const { supervisor, pids, says } = supervise('serves');
  await supervisor.started;
  process.kill(pids()[0]!, 'SIGKILL');
  await says('The worker of m serves again');
  expect(pids()).toHaveLength(2);
  await says('starting it again in');
});

it('goes on trying when a worker fails that served before', async () => {
  const { supervisor, pids, says } = supervise('fails when started again');
  await supervisor.started;
  process.kill(pids()[0]!, 'SIGKILL');
  await says('The worker of m ended (x is not a GGUF file); starting it again');
  await says('The worker of m serves again');
  expect(pids()).toHaveLength(3);
});

it.each([
  ['fails', 'x is not a GGUF file'],
  ['crashes', 'the worker ended with exit code 3'],
  ['dies while loading', 'the worker was killed, by the system if memory ran out'],
])('does not start a worker again that %s at the first start', async (behaviour, message) => {
  const { supervisor, lines, pids } = supervise(behaviour);
  await expect(supervisor.started).rejects.toMatchObject({ name: 'WorkerFailure', message });
  await supervisor.stop({ graceMs: 0 });
  expect(pids()).toHaveLength(1);
  expect(lines).toEqual([]);
});

it('lets a worker finish when it stops it', async () => {
  const { supervisor, lines, pids } = supervise('finishes slowly');
  await supervisor.started;
  await supervisor.stop({ graceMs: 10_000 });
  expect(pids().map(isRunning)).toEqual([false]);
  expect(lines).toEqual([]);
});

it('ends a worker that does not go by itself', async () => {
  const { supervisor, pids } = supervise('ignores SIGTERM');
  await supervisor.started;
  await supervisor.stop({ graceMs: 50 });
  expect(pids().map(isRunning)).toEqual([false]);
});

it('does not start a worker again after it was stopped in the pause', async () => {
  const { supervisor, pids, says } = supervise('serves');
  await supervisor.started;
  process.kill(pids()[0]!, 'SIGKILL');
  await says('starting it again');
  await supervisor.stop({ graceMs: 0 });
  const before = pids().length;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(pids()).toHaveLength(before);
});
