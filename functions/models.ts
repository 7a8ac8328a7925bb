/** `GET /v1/models`: every model that the registry routes. */
import type { ModelList } from '#contract/openai/models.ts';
import { jsonResponse } from './http/api-event.ts';
import { authentication } from './http/authentication.ts';
import { endpoint } from './http/endpoint.ts';
import { type Services, services } from './http/services.ts';
import { toModel } from './models/format.ts';

export const createHandler = (services: () => Services) =>
  endpoint(services, [authentication(services)], async () => {
    const { models } = await services().fleet.registry.snapshot();
    const list: ModelList = { object: 'list', data: models.map(toModel) };
    return jsonResponse(list);
  });

export const handler = createHandler(services);
