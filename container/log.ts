import { type Logger, pino } from 'pino';
import type { LoadOptions } from '#engine/types.ts';
import type { RequestReport } from './request/report.ts';

export function createLog(level: string, worker: string): Logger {
  return pino({ level, base: { worker } });
}

/** One line per request; never a prompt, an answer or a key. */
export function logReport(log: Logger, { timings, ...report }: RequestReport): void {
  log.info({ ...report, ...timings }, 'request');
}

/** llama.cpp's lines, one level lower than it thinks: its warnings at every load are no news. */
export function engineLog(log: Logger): NonNullable<LoadOptions['onLog']> {
  const levels = { debug: 'trace', info: 'debug', warn: 'info', error: 'error' } as const;
  return (level, message) => log[levels[level]]({ source: 'engine' }, message.trimEnd());
}
