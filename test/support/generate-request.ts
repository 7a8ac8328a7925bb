import type { GenerateDraft } from '#fleet/generate.ts';
import { GREEDY } from './plan-runner.ts';

/** A request for the model `model` as a function makes it; tests change what matters to them. */
export function generateDraft(model: string, changes: Partial<GenerateDraft> = {}): GenerateDraft {
  return {
    id: 'chatcmpl-1',
    kind: 'generate',
    model,
    adapter: null,
    tenant: 'default',
    cacheSalt: 'default',
    prefixKeys: [],
    priority: 5,
    deadline: Date.now() + 60_000,
    traceparent: null,
    detached: false,
    input: { type: 'chat', messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hello' }] }] },
    choices: 1,
    sampling: { ...GREEDY, logitBias: [] },
    maxTokens: null,
    stops: [],
    topLogprobs: null,
    ...changes,
  };
}
