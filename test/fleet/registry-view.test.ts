import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RegistryView } from '#fleet/registry-view.ts';
import { tinyModel } from './fake-worker.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const snapshot = { models: [tinyModel], workers: [] };

describe('RegistryView', () => {
  it('reads once for everybody who asks at the same time', async () => {
    const load = vi.fn(async () => snapshot);
    const view = new RegistryView(load);
    await Promise.all([view.snapshot(), view.snapshot(), view.snapshot()]);
    await view.snapshot();
    expect(load).toHaveBeenCalledTimes(1);
  });

  it('never answers what is older than a second', async () => {
    const newer = { models: [], workers: [] };
    const load = vi.fn().mockResolvedValueOnce(snapshot).mockResolvedValueOnce(newer);
    const view = new RegistryView(load);
    expect(await view.snapshot()).toBe(snapshot);
    vi.advanceTimersByTime(1_001);
    expect(await view.snapshot()).toBe(newer);
  });

  it('reads ahead while it is in use', async () => {
    const load = vi.fn(async () => snapshot);
    const view = new RegistryView(load);
    await view.snapshot();
    vi.advanceTimersByTime(600);
    await view.snapshot();
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('tells a failure to whoever waits, and reads again for the next', async () => {
    const load = vi.fn().mockRejectedValueOnce(new Error('unreachable')).mockResolvedValueOnce(snapshot);
    const view = new RegistryView(load);
    await expect(view.snapshot()).rejects.toThrow('unreachable');
    expect(await view.snapshot()).toBe(snapshot);
  });

  it('goes on with what it has while reading ahead fails', async () => {
    const load = vi.fn().mockResolvedValueOnce(snapshot).mockRejectedValueOnce(new Error('unreachable'));
    const view = new RegistryView(load);
    await view.snapshot();
    vi.advanceTimersByTime(600);
    expect(await view.snapshot()).toBe(snapshot);
  });
});
