export { createScheduler } from './scheduler.ts';
export type { Scheduler } from './types.ts';
