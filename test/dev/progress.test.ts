import { expect, it } from 'vitest';
import { createProgress } from '#dev/models/progress.ts';

function recorded(isTTY: boolean) {
  const written: string[] = [];
  let now = 0;
  const stream = { isTTY, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const progress = createProgress(stream, () => now);
  const advanceAt = (ms: number, bytes: number) => {
    now = ms;
    progress.advance(bytes);
  };
  return { progress, written, advanceAt };
}

it('draws a bar with rate and remaining time on a terminal', () => {
  const { progress, written, advanceAt } = recorded(true);
  progress.start('Downloading m.gguf', 200_000_000, 100_000_000);
  advanceAt(2_000, 50_000_000);
  expect(written.at(-1)).toBe(
    '\r[##################......] Downloading m.gguf: 75 % of 200 MB, 25 MB/s, 2 s left\x1b[K',
  );
  advanceAt(2_010, 1);
  expect(written).toHaveLength(2);
  progress.end();
  expect(written.at(-1)).toMatch(/\n$/);
});

it('writes plain lines elsewhere, every five seconds at most', () => {
  const { progress, written, advanceAt } = recorded(false);
  progress.start('Downloading m.gguf', 100_000_000, 0);
  for (let second = 1; second <= 10; second++) advanceAt(second * 1_000, 10_000_000);
  progress.end();
  expect(written).toEqual([
    'Downloading m.gguf: 0 % of 100 MB\n',
    'Downloading m.gguf: 50 % of 100 MB, 10 MB/s, 5 s left\n',
    'Downloading m.gguf: 100 % of 100 MB, 10 MB/s\n',
  ]);
});
