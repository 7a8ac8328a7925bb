import { afterEach, describe, expect, it } from 'vitest';
import { Model, ModelList } from '#contract/openai/models.ts';
import { RegistryView } from '#fleet/registry-view.ts';
import { tinyModel } from '../fleet/fake-worker.ts';
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
