/** A request that a worker has accepted, and what it says from then on. */
import type { ChatCompletion } from '#contract/openai/chat-response.ts';
import type { Spoken } from '#fleet/event-reader.ts';
import type { GenerateDraft } from '#fleet/generate.ts';
import type { RequestRecord } from '../http/request-log.ts';

export interface Reply {
  id: string;
  /** Unix seconds. */
  created: number;
  model: string;
  version: string;
  choices: number;
  /** Log-probabilities were asked for. */
  hasLogprobs: boolean;
  /** What arrives together comes together. */
  batches: AsyncIterable<readonly Spoken[]>;
}

/**
 * Waits until a worker has accepted the request; whatever fails before that can still become an HTTP status.
 *
 * @param record is told of the tokens and times as they become known
 * @throws FleetFailure
 */
export async function openReply(
  draft: GenerateDraft,
  batches: AsyncGenerator<readonly Spoken[], void, void>,
  record: RequestRecord,
): Promise<Reply> {
  const first = await batches.next();
  const accepted = first.value?.[0];
  if (!first.value || accepted?.type !== 'accepted') throw new TypeError('The first event is `accepted`');
  record.id = draft.id;
  record.model = draft.model;
  record.version = accepted.version;
  record.promptTokens = accepted.promptTokens;
  return {
    id: draft.id,
    created: Math.floor(Date.now() / 1_000),
    model: draft.model,
    version: accepted.version,
    choices: draft.choices,
    hasLogprobs: draft.topLogprobs !== null,
    batches: recorded(first.value, batches, record),
  };
}

async function* recorded(
  first: readonly Spoken[],
  rest: AsyncIterable<readonly Spoken[]>,
  record: RequestRecord,
): AsyncGenerator<readonly Spoken[], void, void> {
  note(first, record);
  yield first;
  for await (const batch of rest) {
    note(batch, record);
    yield batch;
  }
}

function note(batch: readonly Spoken[], record: RequestRecord): void {
  for (const event of batch) {
    if (event.type !== 'end') continue;
    record.cachedTokens = event.usage.cachedTokens;
    record.completionTokens = (record.completionTokens ?? 0) + event.usage.completionTokens;
    record.timings = event.timings;
  }
}

/** What the object and every chunk of one response have in common. */
export function identityOf(
  reply: Reply,
): Pick<ChatCompletion, 'id' | 'created' | 'model' | 'service_tier' | 'system_fingerprint'> {
  return {
    id: reply.id,
    created: reply.created,
    model: reply.model,
    service_tier: 'default',
    system_fingerprint: `fp_${reply.version}`,
  };
}
