/** Time as the scheduler sees it; tests give their own. */
export interface Clock {
  /** Unix milliseconds, never going back. */
  now(): number;
  /** Calls `run` once after `ms` milliseconds, unless the returned function is called first. */
  after(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  // Date.now() may be set back, and then durations and the order of arrival would be wrong.
  now: () => performance.timeOrigin + performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
