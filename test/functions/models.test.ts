import { afterEach, describe, expect, it } from 'vitest';
import { Model, ModelList } from '#contract/openai/models.ts';
import type { WorkerItem } from '#contract/registry.ts';
import { type RegistrySnapshot, RegistryView } from '#fleet/registry-view.ts';
import { servedModel, tinyModel, workerItem } from '../fleet/fake-worker.ts';
import { type Front, startFront } from './front.ts';

let front: Front;
afterEach(() => front.close());

const tiny = { id: 'tiny', object: 'model', created: 1_700_000_000, owned_by: 'sluice' };

describe('models', () => {
  it('are listed', async () => {
    front = await startFront();
    const response = await front.get('/v1/models');
    expect(ModelList.parse(await response.json())).toEqual({ object: 'list', data: [tiny] });
  });

  it('are found by id, also by one that has to be encoded', async () => {
    const slashed = { ...tinyModel, id: 'owner/tiny model' };
    const registry = new RegistryView(async () => ({ models: [tinyModel, slashed], workers: [] }));
    front = await startFront({ services: { fleet: { registry, workerToken: 't' } } });
    expect(Model.parse(await (await front.get('/v1/models/tiny')).json())).toEqual(tiny);
    const response = await front.get(`/v1/models/${encodeURIComponent('owner/tiny model')}`);
    expect(Model.parse(await response.json())).toMatchObject({ id: 'owner/tiny model' });
  });

  it.each(['huge', '%zz'])('are not found by another: %s', async (id) => {
    front = await startFront();
    const response = await front.get(`/v1/models/${id}`);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ error: { code: 'model_not_found', param: 'model' } });
  });

  it('are not told when the registry cannot be read, nor why', async () => {
    const registry = new RegistryView(async () => Promise.reject(new Error('table secret-table is gone')));
    front = await startFront({ services: { fleet: { registry, workerToken: 't' } } });
    const logging = front.nextLogLine();
    const response = await front.get('/v1/models');
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('secret-table');
    expect(await logging).toMatchObject({ level: 50, status: 500, error: 'internal_error', reason: { name: 'Error' } });
  });
});

describe('health', () => {
  it('is told to everybody', async () => {
    front = await startFront();
    const response = await fetch(`${front.url}/health`);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ status: 'ok' });
  });
});

describe('readiness', () => {
  const readinessWith = async (load: () => Promise<RegistrySnapshot>) => {
    front = await startFront({ services: { fleet: { registry: new RegistryView(load), workerToken: 't' } } });
    const response = await fetch(`${front.url}/ready`);
    return { status: response.status, body: await response.json() };
  };
  const snapshot = (workers: WorkerItem[]) => async () => ({ models: [tinyModel], workers });

  it('needs a worker that is ready and alive', async () => {
    const worker = workerItem('http://127.0.0.1:1');
    const ready = { status: 'ready', checks: { registry: 'ok', worker: 'ok' } };
    expect(await readinessWith(snapshot([worker]))).toEqual({ status: 200, body: ready });
  });

  it.each([
    ['no worker', []],
    ['a worker that has not been heard', [workerItem('http://127.0.0.1:1', { expires: 1 })]],
    ['a worker that is loading', [workerItem('http://127.0.0.1:1', { models: [servedModel({ state: 'loading' })] })]],
  ])('is refused with %s', async (_, workers) => {
    const notReady = { status: 'not_ready', checks: { registry: 'ok', worker: 'failed' } };
    expect(await readinessWith(snapshot(workers))).toEqual({ status: 503, body: notReady });
  });

  it('is refused without the registry', async () => {
    const notReady = { status: 'not_ready', checks: { registry: 'failed', worker: 'failed' } };
    const load = () => Promise.reject(new Error('gone'));
    expect(await readinessWith(load)).toEqual({ status: 503, body: notReady });
  });
});
