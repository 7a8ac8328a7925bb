/** An HTTP request as a Lambda function behind an API Gateway REST API gets it. */
import type { IncomingMessage } from 'node:http';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import type { RouteMatch } from './route-table.ts';

const STAGE = 'local';
const BINARY_TYPE = /^(?:multipart|audio|video|image)\/|^application\/octet-stream/;

export function toProxyEvent(
  request: IncomingMessage,
  path: string,
  query: string,
  match: RouteMatch,
  body: Buffer,
): Omit<APIGatewayProxyEvent, 'requestContext'> & { requestContext: object } {
  const httpMethod = request.method ?? 'GET';
  const isBase64Encoded = body.length > 0 && BINARY_TYPE.test(request.headers['content-type'] ?? '');
  return {
    resource: match.resource,
    path,
    httpMethod,
    ...headersOf(request),
    ...queryOf(query),
    pathParameters: match.pathParameters,
    stageVariables: null,
    body: body.length === 0 ? null : body.toString(isBase64Encoded ? 'base64' : 'utf8'),
    isBase64Encoded,
    requestContext: {
      httpMethod,
      path: `/${STAGE}${path}`,
      protocol: `HTTP/${request.httpVersion}`,
      requestTimeEpoch: Date.now(),
      resourcePath: match.resource,
      stage: STAGE,
      domainName: request.headers.host ?? STAGE,
      identity: { sourceIp: request.socket.remoteAddress ?? null, userAgent: request.headers['user-agent'] ?? null },
    },
  };
}

/** Names keep their spelling; in `headers` the last value of a name stands. */
function headersOf({ rawHeaders }: IncomingMessage): Pick<APIGatewayProxyEvent, 'headers' | 'multiValueHeaders'> {
  const headers: Record<string, string> = {};
  const multiValueHeaders: Record<string, string[]> = {};
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? '';
    const value = rawHeaders[index + 1] ?? '';
    headers[name] = value;
    multiValueHeaders[name] ??= [];
    multiValueHeaders[name].push(value);
  }
  return { headers, multiValueHeaders };
}

function queryOf(
  query: string,
): Pick<APIGatewayProxyEvent, 'queryStringParameters' | 'multiValueQueryStringParameters'> {
  if (query === '') return { queryStringParameters: null, multiValueQueryStringParameters: null };
  const parameters = new URLSearchParams(query);
  return {
    queryStringParameters: Object.fromEntries(parameters),
    multiValueQueryStringParameters: Object.fromEntries(
      [...parameters.keys()].map((key) => [key, parameters.getAll(key)]),
    ),
  };
}
