import { Transform } from 'node:stream';
import type { Progress } from './progress.ts';

/** Passes bytes on and counts them into the progress, which it ends when the stream ends or breaks. */
export function counted(progress: Progress): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      progress.advance(chunk.length);
      done(null, chunk);
    },
    destroy(error, done) {
      progress.end();
      done(error);
    },
  });
}
