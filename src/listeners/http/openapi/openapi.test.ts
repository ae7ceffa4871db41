/**
 * Proves that the OpenAPI document describes what is served: each route and nothing else, every schema sound, every path
 * parameter there, and real answers as their schemas say. Not that its words are good.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/schema';
import { HttpKit } from '../../../../test/kit/http-kit.ts';
import { OPERATIONS } from './operations.ts';

const OPTIONS = { timeout: 60_000 } as const;

interface Parameter {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly schema: object;
}

type Content = Readonly<Record<string, { readonly schema: object }>>;

interface OperationView {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>;
}

interface Document {
  readonly openapi: string;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationView>>>>;
}

async function documentOf(kit: HttpKit): Promise<Document> {
  const { status, json, headers } = await kit.get('/v1/openapi.json');
  assert.deepEqual([status, headers.get('content-type')], [200, 'application/json; charset=utf-8']);
  return json;
}

function operationsOf({ paths }: Document): [name: string, operation: OperationView][] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, OperationView] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );
}

test('every route that is served is described, and nothing else is', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const document = await documentOf(kit);
  const described = operationsOf(document).map(([name]) => name);
  const expected = Object.keys(OPERATIONS).map((name) => name.replaceAll(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}'));
  assert.deepEqual(described.toSorted(), expected.toSorted());
});

test('the document is sound', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const document = await documentOf(kit);
  assert.equal(document.openapi, '3.1.1');
  const tags = new Set(document.tags.map(({ name }) => name));
  const ids = new Set<string>();
  for (const [name, operation] of operationsOf(document)) {
    assert.ok(!ids.has(operation.operationId), `${operation.operationId} is given once`);
    ids.add(operation.operationId);
    assert.match(operation.operationId, /^[a-z][A-Za-z]+$/);
    assert.match(operation.summary, /^[A-Z].+\.$/, name);
    assert.ok(operation.tags.every((tag) => tags.has(tag)));
    const inPath = [...name.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    const parameters = operation.parameters ?? [];
    const given = parameters.filter((parameter) => parameter.in === 'path' && parameter.required === true);
    assert.deepEqual(
      given.map((parameter) => parameter.name),
      inPath,
      name,
    );
    assert.equal(new Set(parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).size, parameters.length);
    const answers = Object.values(operation.responses).map(({ content }) => content ?? {});
    const contents = [operation.requestBody?.content ?? {}, ...answers].flatMap((content) => Object.values(content));
    // What cannot be compiled is no schema.
    for (const { schema } of [...parameters, ...contents]) Compile(schema);
    assert.ok(Object.keys(operation.responses).length >= 2 && operation.responses['default'] !== undefined, name);
  }
  assert.ok(!JSON.stringify(document).includes('"expected":'), 'our own word stays here');
});

test('answers are as the document says', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const { paths } = await documentOf(kit);
  const holds = async (method: string, url: string, path: string, options: Parameters<HttpKit['call']>[2] = {}) => {
    const answer = await kit.call(method, url, options);
    const operation = paths[path]?.[method.toLowerCase()];
    const described = operation?.responses[String(answer.status)];
    assert.ok(described !== undefined, `${method} ${path} answers ${answer.status}: ${answer.text}`);
    const schema = described.content?.['application/json']?.schema;
    assert.equal(schema === undefined, answer.text === '', `${method} ${path}: ${answer.text}`);
    if (schema === undefined) return;
    const [isRight, errors] = [Compile(schema).Check(answer.json), Compile(schema).Errors(answer.json)];
    assert.ok(isRight, `${method} ${path}: ${JSON.stringify(errors)} ${answer.text}`);
  };
  const topic = '/v1/topics/a.b';
  const records = `${topic}/records`;
  const named = '/v1/topics/{name}';
  const group = '/v1/groups/{group}/offsets';
  await holds('POST', '/v1/topics', '/v1/topics', {
    body: { name: 'a/b', partitions: 2, config: { 'retention.ms': 1e9 } },
  });
  const body = [
    { value: { x: 1 }, key: 'k', headers: { h: 'v' } },
    { valueBase64: '/wA=', partition: 1 },
  ];
  await holds('POST', `${records}?offsets=each`, `${named}/records`, { body });
  await holds('POST', `${records}?ack=admitted`, `${named}/records`, { body });
  for (const format of ['text', 'json', 'base64']) {
    await holds('GET', `${records}?partition=all&format=${format}`, `${named}/records`);
  }
  await holds('GET', `${records}?partition=1&first=1`, `${named}/records`);
  await holds('POST', '/v1/commit', '/v1/commit', { body: { writes: [{ topic: 'a/b', records: [{ value: 1 }] }] } });
  await holds('GET', '/v1/records/a.b/1/0/lineage', '/v1/records/{topic}/{partition}/{offset}/lineage');
  await holds('GET', '/v1/subscribe?match=**', '/v1/subscribe');
  await holds('GET', '/v1/topics', '/v1/topics');
  await holds('GET', topic, named);
  await holds('GET', `${topic}/partitions`, `${named}/partitions`);
  await holds('POST', `${topic}/partitions`, `${named}/partitions`, { body: { partitions: 3 } });
  await holds('GET', '/v1/stats', '/v1/stats');
  await holds('GET', `${topic}/config`, `${named}/config`);
  await holds('PATCH', `${topic}/config`, `${named}/config`, { body: { 'retention.ms': null } });
  await holds('DELETE', `${records}?partition=all&before=end`, `${named}/records`);
  await holds('DELETE', `${records}?partition=0&before=end`, `${named}/records`);
  const offsets = { offsets: [{ topic: 'a/b', partition: 0, offset: 0 }] };
  await holds('POST', '/v1/groups/g/offsets', group, { body: offsets });
  await holds('GET', '/v1/groups/g/offsets', group);
  await holds('POST', '/v1/groups/g/offsets/reset', `${group}/reset`, { body: { to: 'latest' } });
  await holds('GET', '/v1/groups', '/v1/groups');
  await holds('GET', '/v1/groups/g', '/v1/groups/{group}');
  await holds('DELETE', '/v1/groups/g/offsets?topic=a/b', group);
  await holds('POST', '/v1/groups/g/offsets', group, { body: offsets });
  await holds('DELETE', '/v1/groups/g', '/v1/groups/{group}');
  await holds('GET', '/v1/transactions', '/v1/transactions');
  const push = { match: 'none', url: 'http://127.0.0.1:9/' };
  await holds('PUT', '/v1/push/p', '/v1/push/{id}', { body: push });
  await holds('PUT', '/v1/push/p', '/v1/push/{id}', { body: push });
  await holds('GET', '/v1/push', '/v1/push');
  await holds('POST', '/v1/push/p/pause', '/v1/push/{id}/pause');
  await holds('DELETE', '/v1/push/p', '/v1/push/{id}');
  await holds('PUT', '/v1/quotas/default', '/v1/quotas/default', { body: { producerByteRate: 5 } });
  await holds('GET', '/v1/quotas', '/v1/quotas');
  await holds('DELETE', '/v1/quotas/default', '/v1/quotas/default');
  await holds('DELETE', topic, named);
  await holds('GET', '/health/ready', '/health/ready');
});

test('what requests may say is what the document says they may', OPTIONS, async () => {
  await using kit = await HttpKit.start();
  const { paths } = await documentOf(kit);
  const query = paths['/v1/topics/{name}/records']?.['get']?.parameters ?? [];
  const limit = query.find(({ name }) => name === 'limit');
  const { maximum } = (limit?.schema ?? {}) as { maximum?: number };
  assert.ok(maximum !== undefined);
  assert.equal((await kit.post('/v1/topics/t/records', { value: 1 })).status, 200);
  assert.equal((await kit.get(`/v1/topics/t/records?limit=${maximum}`)).status, 200);
  await kit.refused([400, 'HTTP_REQUEST_INVALID'], 'GET', `/v1/topics/t/records?limit=${maximum + 1}`);
});
