// A worker in name only: says and does what FAKE_WORKER tells it, and appends each start to FAKE_WORKER_LOG.
import { appendFileSync, readFileSync } from 'node:fs';

const { FAKE_WORKER = '', FAKE_WORKER_LOG = '' } = process.env;
appendFileSync(FAKE_WORKER_LOG, `${process.pid}\n`);
const starts = readFileSync(FAKE_WORKER_LOG, 'utf8').trim().split('\n').length;

setInterval(() => undefined, 60_000);
process.on('disconnect', () => process.exit());
const ready = () => process.send({ type: 'ready', url: 'http://127.0.0.1:1' });
const fail = () =>
  process.send({ type: 'failed', code: 'not_gguf', message: 'x is not a GGUF file' }, () => process.exit(1));

const behaviours = {
  serves() {
    process.send({ type: 'progress', fraction: 0.5 });
    ready();
  },
  fails: fail,
  crashes: () => process.exit(3),
  'dies while loading': () => process.kill(process.pid, 'SIGKILL'),
  'fails when started again': () => (starts === 2 ? fail() : ready()),
  'ignores SIGTERM'() {
    process.on('SIGTERM', () => undefined);
    ready();
  },
  'finishes slowly'() {
    process.on('SIGTERM', () => setTimeout(() => process.exit(), 200));
    ready();
  },
};
behaviours[FAKE_WORKER]();
