import { describe, expect, it } from 'vitest';
import type { WorkerItem } from '#contract/registry.ts';
import { chooseModel, chooseVersion, chooseWorker } from '#fleet/choose.ts';
import { servedModel, tinyModel, workerItem } from './fake-worker.ts';

const load = (running: number, queued = 0) => ({ running, queued, kvShare: 0, tokensPerSecond: 0 });
const none = new Set<string>();

function choose(workers: WorkerItem[], tried: ReadonlySet<string> = none): string {
  return chooseWorker({ models: [tinyModel], workers }, 'tiny', 'v1', tried).id;
}

describe('the model', () => {
  it('is the one of that id, in the version that its route names', () => {
    const model = chooseModel({ models: [tinyModel], workers: [] }, 'tiny');
    expect(chooseVersion(model)).toBe('v1');
  });

  it('is not found under another id', () => {
    expect(() => chooseModel({ models: [tinyModel], workers: [] }, 'huge')).toThrow(
      expect.objectContaining({ code: 'model_not_found', retryable: false }),
    );
  });
});

describe('the worker', () => {
  it('is the one with the fewest requests', () => {
    const workers = [
      workerItem('http://busy', { load: load(3) }),
      workerItem('http://idle', { load: load(1) }),
      workerItem('http://queued', { load: load(1, 5) }),
    ];
    expect(choose(workers)).toBe('http://idle');
  });

  it('is any of those that are equally busy', () => {
    const workers = [workerItem('http://a'), workerItem('http://b')];
    const chosen = new Set(Array.from({ length: 200 }, () => choose(workers)));
    expect(chosen).toEqual(new Set(['http://a', 'http://b']));
  });

  it('is not one that has failed this request, unless there is no other', () => {
    const workers = [workerItem('http://tried'), workerItem('http://other', { load: load(9) })];
    const tried = new Set(['http://tried']);
    expect(choose(workers, tried)).toBe('http://other');
    expect(choose(workers.slice(0, 1), tried)).toBe('http://tried');
  });

  it.each([
    ['whose heartbeat has expired', { expires: Date.now() - 1 }, 'no_worker'],
    ['that serves another model', { models: [servedModel({ model: 'huge' })] }, 'no_worker'],
    ['that serves another version', { models: [servedModel({ version: 'v2' })] }, 'no_worker'],
    ['that is loading', { models: [servedModel({ state: 'loading' })] }, 'loading'],
    ['that is draining', { models: [servedModel({ state: 'draining' })] }, 'draining'],
  ] as const)('is never one %s', (_, overrides, code) => {
    const unfit = workerItem('http://unfit', overrides as Partial<WorkerItem>);
    expect(() => choose([unfit])).toThrow(expect.objectContaining({ code, retryable: true }));
    expect(choose([unfit, workerItem('http://fit', { load: load(99) })])).toBe('http://fit');
  });
});
