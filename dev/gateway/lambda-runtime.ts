/** As much of Lambda's Node runtime as functions that stream their responses need. */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Context } from 'aws-lambda';

export type LambdaHandler = (event: object, response: ServerResponse, context: LambdaContext) => Promise<unknown>;

export interface LambdaContext extends Omit<Context, 'done' | 'fail' | 'succeed'> {
  /** Not Lambda's, which never tells. */
  clientGone: AbortSignal;
}

interface Prelude {
  statusCode: number;
  headers: Record<string, string>;
}

/**
 * Puts `awslambda` into the global scope; must run before a handler's module is loaded. The response stream is the HTTP
 * response itself, so that a chunk passes through no stream of ours.
 */
export function installLambdaRuntime(): void {
  const HttpResponseStream = {
    from: (response: ServerResponse, { statusCode, headers }: Prelude) => {
      if (response.destroyed) process.nextTick(tellClientGone, response);
      joinWritesOfThisTurn(response);
      return response.writeHead(statusCode, headers);
    },
  };
  const streamifyResponse = (handler: LambdaHandler) => handler;
  Object.assign(globalThis, { awslambda: { HttpResponseStream, streamifyResponse } });
}

/**
 * The headers and the first bytes of a stream cost one system call then, and the client one wake-up. It is the socket
 * that is corked: a corked response that ends sends its last chunk before the others.
 */
function joinWritesOfThisTurn({ socket }: ServerResponse): void {
  socket?.cork();
  setImmediate(() => socket?.uncork());
}

/** Lets whoever waits for the response fail: Node neither finishes nor fails what is written once the client has gone. */
export function tellClientGone(response: ServerResponse): void {
  response.emit('error', new Error('The client has left.'));
}

/** @param deadline on the clock of `performance.now()` */
export function lambdaContext(functionName: string, deadline: number, clientGone: AbortSignal): LambdaContext {
  return {
    awsRequestId: randomUUID(),
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:local:000000000000:function:${functionName}`,
    memoryLimitInMB: '1024',
    logGroupName: 'local',
    logStreamName: 'local',
    callbackWaitsForEmptyEventLoop: false,
    getRemainingTimeInMillis: () => Math.max(0, Math.floor(deadline - performance.now())),
    clientGone,
  };
}
