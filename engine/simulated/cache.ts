import type { CacheOp } from '../types.ts';
import type { Cells } from './cells.ts';
import type { SlotTable } from './slots.ts';

const DOES_NOT_APPLY = -1;

/** Does one cache operation; returns the usable or kept length, -1 where it does not apply. */
export function applyCacheOp(op: CacheOp, cells: Cells, slots: SlotTable): number {
  switch (op.op) {
    case 'bind': {
      const slot = slots.find(op.slot);
      const fits = slot !== undefined && slot.sequence === undefined && cells.has(op.sequence);
      if (!fits || slots.boundTo(op.sequence) !== undefined) return DOES_NOT_APPLY;
      slot.sequence = op.sequence;
      return cells.length(op.sequence);
    }
    case 'copy': {
      const target = cells.has(op.from) && cells.has(op.to) && cells.length(op.to) === 0;
      if (!target || slots.boundTo(op.to) !== undefined) return DOES_NOT_APPLY;
      return cells.copy(op.from, op.to, op.length);
    }
    case 'trim': {
      if (!cells.has(op.sequence)) return DOES_NOT_APPLY;
      const slot = slots.boundTo(op.sequence);
      if (slot !== undefined && op.length < cells.length(op.sequence)) slot.pending = undefined;
      return cells.trim(op.sequence, op.length);
    }
    case 'release': {
      if (!cells.has(op.sequence)) return DOES_NOT_APPLY;
      const slot = slots.boundTo(op.sequence);
      if (slot !== undefined) {
        slot.sequence = undefined;
        slot.pending = undefined;
      }
      return cells.trim(op.sequence, 0);
    }
  }
}
