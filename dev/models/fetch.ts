// Fetches the default model into the shared cache, for the tests and the benchmark.
// Usage: node dev/models/fetch.ts
import { DEFAULT_MODEL } from '../options.mjs';
import { SetupError } from '../toolchain.mjs';
import { obtainModel } from './model.ts';

try {
  await obtainModel(DEFAULT_MODEL, { log: console.log });
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
