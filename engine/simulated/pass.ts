import { type EndReason, EngineError, type Entry, type EntryResult, type TokenLogprob } from '../types.ts';
import type { Cells } from './cells.ts';
import { logprobOf } from './logprobs.ts';
import { pickNext } from './model.ts';
import type { Slot, SlotTable } from './slots.ts';
import { bytesOf, vocabulary } from './vocabulary.ts';

type BoundSlot = Slot & { sequence: number };

interface PickResult {
  tokens: readonly number[];
  text: string;
  logprobs?: readonly TokenLogprob[];
  end?: EndReason;
}

const NO_PICK: PickResult = { tokens: [], text: '' };

/** Cells that the entries which will run take up; an entry that is skipped takes none. */
export function cellsNeeded(entries: readonly Entry[], slots: SlotTable): number {
  return entries
    .filter((entry) => whySkipped(slots.find(entry.slot)) === undefined)
    .reduce((sum, entry) => sum + (entry.kind === 'prefill' ? entry.tokens.length : 1), 0);
}

/** Throws EngineError `invalid_argument` where the plan asks for what its slot's state cannot give. */
export function runEntry(entry: Entry, cells: Cells, slots: SlotTable): EntryResult {
  const slot = slots.find(entry.slot);
  const skipped = whySkipped(slot);
  if (skipped !== undefined) return { slot: entry.slot, outcome: skipped, fed: 0, tokens: [], text: '' };
  const bound = slot as BoundSlot;
  if (entry.kind === 'decode') {
    feedPending(bound, cells);
    return { slot: entry.slot, outcome: 'ran', fed: 0, ...pick(bound, cells) };
  }
  feedPrompt(bound, entry.tokens, cells);
  const picked = entry.outputs === 'last' ? pick(bound, cells) : NO_PICK;
  return { slot: entry.slot, outcome: 'ran', fed: entry.tokens.length, ...picked };
}

function whySkipped(slot: Slot | undefined): Exclude<EntryResult['outcome'], 'ran'> | undefined {
  if (slot === undefined) return 'stale';
  if (slot.ended) return 'ended';
  if (slot.cancelled) return 'cancelled';
  if (slot.sequence === undefined) return 'unbound';
  return undefined;
}

function feedPending(slot: BoundSlot, cells: Cells): void {
  if (slot.pending === undefined) {
    throw new EngineError('invalid_argument', `decode of slot ${slot.ref.slot}, which has no pending token`);
  }
  cells.append(slot.sequence, slot.pending);
  slot.pending = undefined;
}

function feedPrompt(slot: BoundSlot, tokens: Int32Array, cells: Cells): void {
  if (slot.pending !== undefined) {
    throw new EngineError('invalid_argument', `prefill of slot ${slot.ref.slot}, which has a pending token`);
  }
  if (cells.length(slot.sequence) + tokens.length > slot.init.contextLimit) {
    throw new EngineError('invalid_argument', `prefill of slot ${slot.ref.slot} beyond its context limit`);
  }
  for (const token of tokens) cells.append(slot.sequence, token);
}

function pick(slot: BoundSlot, cells: Cells): PickResult {
  if (cells.length(slot.sequence) >= slot.init.contextLimit) return end(slot, 'context', [], '');
  const history = cells.historyOf(slot.sequence);
  const token = pickNext(history, cells.lastToken(slot.sequence), slot.init.sampling, slot.init.choice);
  slot.pending = token;
  slot.generated++;
  if (token === vocabulary.messageEnd) return end(slot, 'eos', [token], '');
  slot.logprobs?.keep(bytesOf(token), logprobOf(token, history, slot.init.topLogprobs!));

  const { text, stopped } = slot.output.push(bytesOf(token));
  if (stopped) return end(slot, 'stop', [token], text);
  if (slot.generated >= slot.init.maxTokens) return end(slot, 'length', [token], text);
  if (cells.length(slot.sequence) + 1 >= slot.init.contextLimit) return end(slot, 'context', [token], text);
  return { tokens: [token], text, ...certainLogprobs(slot) };
}

function end(slot: Slot, reason: EndReason, tokens: readonly number[], text: string): PickResult {
  slot.ended = true;
  const rest = reason === 'stop' ? text : text + slot.output.flush();
  return { tokens, text: rest, ...certainLogprobs(slot), end: reason };
}

function certainLogprobs({ logprobs, output }: Slot): Pick<PickResult, 'logprobs'> {
  return logprobs === undefined ? {} : { logprobs: logprobs.takeBefore(output.certainBytes) };
}
