export { createScheduler, type SchedulerOptions } from './scheduler.ts';
export type * from './types.ts';
