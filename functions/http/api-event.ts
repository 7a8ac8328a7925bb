/** An API Gateway event as the endpoints see it, after the middlewares. */
import type { Readable } from 'node:stream';
import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import type { RequestRecord } from './request-log.ts';

export interface ApiEvent extends APIGatewayProxyEvent {
  /** The client's own where that is valid. */
  requestId: string;
  /** What is logged when the request has ended. */
  record: RequestRecord;
  /** The body; only where the endpoint reads JSON. */
  json: unknown;
}

export interface ApiContext extends Context {
  /** Aborted when the client leaves. Lambda never tells, the local gateway does. */
  clientGone?: AbortSignal;
}

export interface ApiResponse {
  statusCode: number;
  headers: Record<string, string>;
  /** A stream must end, never fail: the Lambda runtime dies of a failed one. */
  body: string | Readable;
}

/** @param name in lower case; API Gateway passes the client's spelling on, and null where there is no header at all */
export function header(event: APIGatewayProxyEvent, name: string): string | undefined {
  const headers: APIGatewayProxyEvent['headers'] = event.headers ?? {};
  const spelling = Object.keys(headers).find((key) => key.toLowerCase() === name);
  return spelling === undefined ? undefined : headers[spelling];
}

export function jsonResponse(body: unknown, headers: Record<string, string> = {}): ApiResponse {
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
}
