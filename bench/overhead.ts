/** What handler and gateway add to the time to first token, against the simulated engine, one request at a time. */
import type { Target } from './client.ts';
import { median } from './statistics.ts';

export interface Overhead {
  workerMs: number;
  gatewayMs: number;
  /** Difference of the medians. */
  addedMs: number;
}

/** So many until V8 has compiled both paths: figures fall by a third until then. */
const WARM_UP = 1500;
const REQUESTS = 600;

export async function measureOverhead(worker: Target, gateway: Target): Promise<Overhead> {
  const sampling = { name: 'greedy', temperature: 0, topP: 1 };
  const firstToken = async (target: Target, index: number) =>
    (await target.stream({ prompt: `Request ${index}`, tokens: 2, sampling })).firstToken;
  const workerTimes: number[] = [];
  const gatewayTimes: number[] = [];
  for (let index = 0; index < WARM_UP + REQUESTS; index++) {
    const [direct, through] = [await firstToken(worker, index), await firstToken(gateway, index)];
    if (index < WARM_UP) continue;
    workerTimes.push(direct);
    gatewayTimes.push(through);
  }
  const [workerMs, gatewayMs] = [median(workerTimes), median(gatewayTimes)];
  return { workerMs, gatewayMs, addedMs: gatewayMs - workerMs };
}
