import { SimulatedEngine } from '#engine';
import { engineContract } from './contract.ts';

engineContract('The simulated engine', async (sizes) => new SimulatedEngine({ ...sizes, cells: 1024 }), {
  exactAcrossBatches: true,
});
