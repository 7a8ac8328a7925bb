/** Answers that the gateway gives by itself, in the functions' own envelope. */
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ApiError } from '#functions/http/api-error.ts';
import { requestIdFor } from '#functions/http/request-id.ts';

export function tooLarge(message: string): ApiError {
  return new ApiError(message, { status: 413, type: 'invalid_request_error', code: 'request_too_large' });
}

export function functionFailed(): ApiError {
  const message = 'The server had an error while processing your request.';
  return new ApiError(message, { status: 502, type: 'server_error', code: 'function_failed' });
}

export function functionTimedOut(): ApiError {
  return new ApiError('The request took too long.', { status: 504, type: 'server_error', code: 'timeout' });
}

/** A response that has begun can only be cut. */
export function refuse(response: ServerResponse, error: ApiError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const given = response.req.headers['x-request-id'];
  response.writeHead(error.status, {
    'content-type': 'application/json',
    'x-request-id': requestIdFor(typeof given === 'string' ? given : undefined),
    ...error.headers,
  });
  response.end(JSON.stringify(error.body));
}

/** For what is not even HTTP; Node would answer without a body. */
export function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : 400;
  const message = status === 431 ? 'The headers of the request are too large.' : 'The request is not valid HTTP.';
  const body = JSON.stringify(
    new ApiError(message, { status, type: 'invalid_request_error', code: 'invalid_http' }).body,
  );
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: application/json\r\nx-request-id: ${requestIdFor(undefined)}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
