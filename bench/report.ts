import type { Cell } from './rounds.ts';
import { median } from './statistics.ts';

export interface Summary {
  target: string;
  streams: number;
  sampling: string;
  /** Median and range over the rounds. */
  tokensPerSecond: [median: number, least: number, most: number];
  firstTokenP50: number;
  firstTokenP95: number;
  interTokenP50: number;
  interTokenP95: number;
}

export function summarise(cells: readonly Cell[]): Summary[] {
  const groups = Map.groupBy(cells, (cell) => `${cell.streams}/${cell.sampling}/${cell.target}`);
  return [...groups.values()].map((group) => {
    const { target, streams, sampling } = group[0]!;
    const speeds = group.map((cell) => cell.figures.tokensPerSecond);
    const middle = (name: 'firstTokenP50' | 'firstTokenP95' | 'interTokenP50' | 'interTokenP95') =>
      median(group.map((cell) => cell.figures[name]));
    return {
      target,
      streams,
      sampling,
      tokensPerSecond: [median(speeds), Math.min(...speeds), Math.max(...speeds)],
      firstTokenP50: middle('firstTokenP50'),
      firstTokenP95: middle('firstTokenP95'),
      interTokenP50: middle('interTokenP50'),
      interTokenP95: middle('interTokenP95'),
    };
  });
}

export interface Ratio {
  name: string;
  streams: number;
  sampling: string;
  /** Median of the rounds' own ratios. */
  value: number;
}

/** Ratios are taken within a round, then their median: rounds differ by more than targets do. */
export function ratiosOf(
  cells: readonly Cell[],
  pairs: readonly { name: string; of: string; to: string; toSampling?: string }[],
): Ratio[] {
  const speed = (round: number, target: string, streams: number, sampling: string) =>
    cells.find(
      (cell) =>
        cell.round === round && cell.target === target && cell.streams === streams && cell.sampling === sampling,
    )?.figures.tokensPerSecond;
  const ratios: Ratio[] = [];
  for (const { name, of, to, toSampling } of pairs) {
    const groups = Map.groupBy(
      cells.filter((cell) => cell.target === of),
      (cell) => `${cell.streams}/${cell.sampling}`,
    );
    for (const group of groups.values()) {
      const { streams, sampling } = group[0]!;
      const values = group.flatMap((cell) => {
        const other = speed(cell.round, to, streams, toSampling ?? sampling);
        return other === undefined ? [] : [cell.figures.tokensPerSecond / other];
      });
      if (values.length > 0) ratios.push({ name, streams, sampling, value: median(values) });
    }
  }
  return ratios;
}

export function printTable(summaries: readonly Summary[], ratios: readonly Ratio[]): void {
  console.log(
    '\n| streams | sampling | target | tokens/s (range) | first token p50 / p95 ms | inter-token p50 / p95 ms |',
  );
  console.log('|---|---|---|---|---|---|');
  const fixed = (value: number, digits = 1) => (Number.isNaN(value) ? '–' : value.toFixed(digits));
  for (const row of summaries) {
    const [middle, least, most] = row.tokensPerSecond;
    console.log(
      `| ${row.streams} | ${row.sampling} | ${row.target} | ${fixed(middle)} (${fixed(least)}–${fixed(most)}) ` +
        `| ${fixed(row.firstTokenP50)} / ${fixed(row.firstTokenP95)} | ${fixed(row.interTokenP50)} / ${fixed(row.interTokenP95)} |`,
    );
  }
  console.log('\n| ratio of tokens/s | streams | sampling | median of the rounds |');
  console.log('|---|---|---|---|');
  for (const ratio of ratios)
    console.log(`| ${ratio.name} | ${ratio.streams} | ${ratio.sampling} | ${ratio.value.toFixed(3)} |`);
}
