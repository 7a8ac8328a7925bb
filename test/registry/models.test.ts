import { PutCommand } from '@aws-sdk/lib-dynamodb';
import { expect, it } from 'vitest';
import { getModel, listModels, putReadyVersion, removeModel } from '#registry/models.ts';
import { createTable, openTable } from '#registry/table.ts';
import { emptyRegistry } from '../support/registry.ts';

it('knows no model at first', async () => {
  const { table } = await emptyRegistry();
  expect(await listModels(table)).toEqual([]);
  expect(await getModel(table, 'llama')).toBeUndefined();
});

it('makes a model of its first version and moves the route with the next', async () => {
  const { table } = await emptyRegistry();
  await putReadyVersion(table, { model: 'llama', version: 'v1', created: 100 });
  await putReadyVersion(table, { model: 'llama', version: 'v2', created: 200 });
  const expected = {
    id: 'llama',
    revision: 2,
    route: { stable: 'v2' },
    versions: { v1: { state: 'ready' }, v2: { state: 'ready' } },
    created: 100,
  };
  expect(await getModel(table, 'llama')).toEqual(expected);
  expect(await listModels(table)).toEqual([expected]);
});

it('writes nothing for a version that is stable already, and goes back to an older one', async () => {
  const { table } = await emptyRegistry();
  for (const version of ['v1', 'v1', 'v2', 'v1']) await putReadyVersion(table, { model: 'm', version, created: 1 });
  expect(await getModel(table, 'm')).toMatchObject({ revision: 3, route: { stable: 'v1' } });
});

it('loses no update among many writers', async () => {
  const { endpoint, table } = await emptyRegistry();
  const writers = Array.from({ length: 20 }, () => openTable({ table: table.name, endpoint }));
  const written = await Promise.all(
    writers.map((writer, number) => putReadyVersion(writer, { model: 'm', version: `v${number}`, created: number })),
  );
  for (const writer of writers) writer.documents.destroy();
  const model = await getModel(table, 'm');
  expect(Object.keys(model?.versions ?? {})).toHaveLength(20);
  expect(written.map(({ revision }) => revision).sort((a, b) => a - b)).toEqual(written.map((_, at) => at + 1));
  expect(model).toEqual(written.find(({ revision }) => revision === 20));
});

it('gives up with a typed error where others never stop writing', async () => {
  const { endpoint, table } = await emptyRegistry();
  await putReadyVersion(table, { model: 'm', version: 'v1', created: 1 });
  const contended = openTable({ table: table.name, endpoint });
  contended.documents.middlewareStack.add(
    (next, context) => async (args) => {
      if (context.commandName === 'PutItemCommand') await raiseRevision();
      return next(args);
    },
    { step: 'initialize' },
  );
  let revision = 1;
  const raiseRevision = async () => {
    revision += 1;
    const raced = { ...(await getModel(table, 'm')), revision };
    await table.documents.send(new PutCommand({ TableName: table.name, Item: { pk: 'MODEL', sk: 'm', ...raced } }));
  };
  const lost = putReadyVersion(contended, { model: 'm', version: 'v2', created: 1 });
  await expect(lost).rejects.toMatchObject({ name: 'RegistryError', code: 'write_conflict' });
  contended.documents.destroy();
  expect(await getModel(table, 'm')).toMatchObject({ route: { stable: 'v1' } });
});

it('names the key of a malformed item', async () => {
  const { table } = await emptyRegistry();
  const item = { pk: 'MODEL', sk: 'bad', id: 'bad', revision: 'two' };
  await table.documents.send(new PutCommand({ TableName: table.name, Item: item }));
  const refusal = { name: 'RegistryError', code: 'malformed_item', message: expect.stringContaining('MODEL / bad') };
  await expect(getModel(table, 'bad')).rejects.toMatchObject(refusal);
  await expect(listModels(table)).rejects.toMatchObject(refusal);
});

it('creates its table once, however often it is asked', async () => {
  const { table } = await emptyRegistry();
  await putReadyVersion(table, { model: 'm', version: 'v1', created: 1 });
  await createTable(table);
  expect(await listModels(table)).toHaveLength(1);
});

it('forgets a model that is removed, and does not mind one that is unknown', async () => {
  const { table } = await emptyRegistry();
  await putReadyVersion(table, { model: 'llama', version: 'v1', created: 100 });
  await putReadyVersion(table, { model: 'qwen', version: 'v1', created: 100 });
  await removeModel(table, 'llama');
  await removeModel(table, 'unknown');
  expect((await listModels(table)).map(({ id }) => id)).toEqual(['qwen']);
});
