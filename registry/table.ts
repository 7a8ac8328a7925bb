/** The registry's one table. */
import {
  CreateTableCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  ResourceInUseException,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';

export interface Table {
  name: string;
  documents: DynamoDBDocumentClient;
}

export interface TableOptions {
  table: string;
  /** Base URL of an embedded DynamoDB; without it the table is in AWS and the process has credentials for it. */
  endpoint?: string;
  /** Default: the process's AWS region. */
  region?: string;
}

const MAX_ATTEMPTS = 5;
const CONNECTION_TIMEOUT_MS = 1_000;
const REQUEST_TIMEOUT_MS = 5_000;

export function openTable(options: TableOptions): Table {
  const configuration: DynamoDBClientConfig = {
    maxAttempts: MAX_ATTEMPTS,
    retryMode: 'standard',
    requestHandler: { connectionTimeout: CONNECTION_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.endpoint === undefined ? {} : embedded(options.endpoint)),
  };
  return { name: options.table, documents: DynamoDBDocumentClient.from(new DynamoDBClient(configuration)) };
}

/** An embedded DynamoDB takes any signature, but the client insists on making one. */
function embedded(endpoint: string): DynamoDBClientConfig {
  return { endpoint, region: 'us-east-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } };
}

/** Creates the table where it does not exist yet; in AWS infra/ does this. */
export async function createTable(table: Table): Promise<void> {
  const command = new CreateTableCommand({
    TableName: table.name,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'S' },
    ],
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
  });
  try {
    await table.documents.send(command);
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
  await waitUntilTableExists({ client: table.documents, maxWaitTime: 30, minDelay: 1 }, { TableName: table.name });
}
