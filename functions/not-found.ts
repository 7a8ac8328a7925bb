/** Whatever no other function answers: 405 for another method on a known path, else 404. */
import { ApiError } from './http/api-error.ts';
import { endpoint } from './http/endpoint.ts';
import { type Services, services } from './http/services.ts';
import { routes } from './routes.ts';

export const createHandler = (services: () => Services) =>
  endpoint(services, [], async ({ httpMethod, path, resource }) => {
    const allowed = routes.filter((route) => route.path === resource).map((route) => route.method);
    if (allowed.length === 0) {
      throw new ApiError(`Unknown request URL: ${httpMethod} ${path}.`, {
        status: 404,
        type: 'invalid_request_error',
        code: 'unknown_url',
      });
    }
    throw new ApiError(`Not allowed to ${httpMethod} on ${path}, but to ${allowed.join(', ')}.`, {
      status: 405,
      type: 'invalid_request_error',
      code: 'method_not_supported',
      headers: { allow: allowed.join(', ') },
    });
  });

export const handler = createHandler(services);
