import { megabytes } from './source.ts';

/** Tells the user how far a transfer is. */
export interface Progress {
  /** Begins a transfer of `total` bytes of which `done` are there already. */
  start(label: string, total: number, done: number): void;
  advance(bytes: number): void;
  end(): void;
}

export type ProgressStream = Pick<NodeJS.WriteStream, 'isTTY' | 'write'>;

interface Transfer {
  label: string;
  total: number;
  done: number;
  startedAt: number;
  startedWith: number;
}

const BAR_WIDTH = 24;
const REDRAW_MS = 100;
const LINE_MS = 5_000;

/** A bar that redraws itself on a terminal; elsewhere a plain line every few seconds and at both ends. */
export function createProgress(stream: ProgressStream, now = () => performance.now()): Progress {
  let transfer: Transfer | undefined;
  let shownAt = Number.NEGATIVE_INFINITY;
  let shownBytes = 0;
  const interval = stream.isTTY ? REDRAW_MS : LINE_MS;

  const show = (isLast: boolean) => {
    if (!transfer) return;
    shownAt = now();
    shownBytes = transfer.done;
    const line = describe(transfer, now());
    if (stream.isTTY) stream.write(`\r${drawBar(transfer)} ${line}\x1b[K${isLast ? '\n' : ''}`);
    else stream.write(`${line}\n`);
  };

  return {
    start(label, total, done) {
      transfer = { label, total, done, startedAt: now(), startedWith: done };
      show(false);
    },
    advance(bytes) {
      if (!transfer) return;
      transfer.done += bytes;
      if (now() - shownAt >= interval) show(false);
    },
    end() {
      if (stream.isTTY || transfer?.done !== shownBytes) show(true);
      transfer = undefined;
    },
  };
}

const share = ({ done, total }: Transfer) => Math.min(1, done / Math.max(1, total));

function drawBar(transfer: Transfer): string {
  const filled = Math.round(share(transfer) * BAR_WIDTH);
  return `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}]`;
}

function describe(transfer: Transfer, at: number): string {
  const { label, total, done, startedAt, startedWith } = transfer;
  const percent = `${Math.floor(share(transfer) * 100)} %`;
  const parts = [`${label}: ${percent} of ${megabytes(total)}`];
  const rate = (done - startedWith) / ((at - startedAt) / 1000);
  if (rate > 0 && Number.isFinite(rate)) {
    parts.push(`${megabytes(rate)}/s`);
    if (done < total) parts.push(`${formatSeconds((total - done) / rate)} left`);
  }
  return parts.join(', ');
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
