/** How the user, the terminal or the parent process asks Sluice to end. */

export interface Shutdown {
  /** Aborts when asked to end for the first time. */
  readonly signal: AbortSignal;
  /** Resolves at the same moment. */
  readonly requested: Promise<void>;
  /** `work`'s result; rejects with the signal's reason where asked to end before there is one. */
  orElse<T>(work: Promise<T>): Promise<T>;
}

/** npm and start.mjs each pass on a Ctrl-C that the terminal sent to everybody: copies that come this soon are one. */
const SAME_KEYPRESS_MS = 300;

/** @param endAtOnce called when asked again */
export function listenForShutdown(endAtOnce: () => Promise<void>): Shutdown {
  const controller = new AbortController();
  const { promise: requested, resolve } = Promise.withResolvers<void>();
  let firstAt = Number.NaN;
  const request = () => {
    if (!controller.signal.aborted) {
      firstAt = performance.now();
      controller.abort();
      resolve();
    } else if (performance.now() - firstAt > SAME_KEYPRESS_MS) {
      void endAtOnce();
    }
  };
  process.on('SIGINT', request);
  process.on('SIGTERM', request);
  process.on('SIGHUP', request);
  // start.mjs was killed: nobody is left to end this process.
  process.on('disconnect', request);
  const { signal } = controller;
  const aborted = requested.then(() => Promise.reject(signal.reason));
  aborted.catch(() => undefined);
  return { signal, requested, orElse: (work) => Promise.race([work, aborted]) };
}
