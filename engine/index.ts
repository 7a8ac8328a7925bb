export { loadEngine, NativeEngine, quantizeToQ8 } from './native.ts';
export { SimulatedEngine, type SimulatedOptions } from './simulated.ts';
export * from './types.ts';
