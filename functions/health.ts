/** `GET /health`: the API is alive. */
import { jsonResponse } from './http/api-event.ts';
import { endpoint } from './http/endpoint.ts';
import { type Services, services } from './http/services.ts';

export const createHandler = (services: () => Services) =>
  endpoint(services, [], async () => jsonResponse({ status: 'ok' }));

export const handler = createHandler(services);
