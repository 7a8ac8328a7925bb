/** What the environment tells a function. */
import * as z from 'zod';

const commaSeparated = z.string().transform((list) =>
  list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ''),
);

const Environment = z.object({
  /** Name of the registry's table. */
  SLUICE_TABLE: z.string().min(1),
  /** Where the registry is, if not in AWS. */
  SLUICE_REGISTRY_ENDPOINT: z.url().optional(),
  SLUICE_WORKER_TOKEN: z.string().min(1),
  SLUICE_API_KEYS: commaSeparated.pipe(z.array(z.string()).min(1)),
  /** Request fields to leave out where Sluice does not do them; the others are refused. */
  SLUICE_IGNORED_PARAMETERS: commaSeparated.default([]),
  SLUICE_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Configuration {
  table: string;
  registryEndpoint: string | undefined;
  workerToken: string;
  apiKeys: readonly string[];
  ignoredParameters: ReadonlySet<string>;
  logLevel: string;
}

/** @throws Error that names each variable that is missing or wrong, and no value */
export function readConfiguration(environment: NodeJS.ProcessEnv): Configuration {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
    throw new Error(`The function is not configured. ${problems.join('; ')}`);
  }
  return {
    table: parsed.data.SLUICE_TABLE,
    registryEndpoint: parsed.data.SLUICE_REGISTRY_ENDPOINT,
    workerToken: parsed.data.SLUICE_WORKER_TOKEN,
    apiKeys: parsed.data.SLUICE_API_KEYS,
    ignoredParameters: new Set(parsed.data.SLUICE_IGNORED_PARAMETERS),
    logLevel: parsed.data.SLUICE_LOG_LEVEL,
  };
}
