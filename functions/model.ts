/** `GET /v1/models/{model}`. */
import { chooseModel } from '#fleet/choose.ts';
import { jsonResponse } from './http/api-event.ts';
import { authentication } from './http/authentication.ts';
import { endpoint } from './http/endpoint.ts';
import { type Services, services } from './http/services.ts';
import { toModel } from './models/format.ts';

export const createHandler = (services: () => Services) =>
  endpoint(services, [authentication(services)], async (event) => {
    const snapshot = await services().fleet.registry.snapshot();
    const model = chooseModel(snapshot, event.pathParameters?.model ?? '');
    event.record.model = model.id;
    return jsonResponse(toModel(model));
  });

export const handler = createHandler(services);
