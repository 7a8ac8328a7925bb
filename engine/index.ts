export { SimulatedEngine, type SimulatedOptions } from './simulated.ts';
export * from './types.ts';
