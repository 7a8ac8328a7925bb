/** Which function answers what: read by the local gateway and by the infrastructure. */

export interface Route {
  method: 'GET' | 'POST';
  /** As API Gateway has it; `{name}` stands for one segment. */
  path: string;
  /** The file beside this one that exports `handler`. */
  file: string;
}

export const routes: readonly Route[] = [
  { method: 'POST', path: '/v1/chat/completions', file: 'chat-completions.ts' },
  { method: 'GET', path: '/v1/models', file: 'models.ts' },
  { method: 'GET', path: '/v1/models/{model}', file: 'model.ts' },
  { method: 'GET', path: '/health', file: 'health.ts' },
  { method: 'GET', path: '/ready', file: 'ready.ts' },
];

/** Answers every other method on the paths above, and every method on all other paths: `/` and `/{proxy+}`. */
export const fallbackFile = 'not-found.ts';
