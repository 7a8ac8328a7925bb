import type { Model } from '#contract/openai/models.ts';
import type { ModelItem } from '#contract/registry.ts';

export function toModel(item: ModelItem): Model {
  return { id: item.id, object: 'model', created: item.created, owned_by: 'sluice' };
}
