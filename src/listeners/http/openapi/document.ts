/** The OpenAPI 3.1 document: from the schemas that hold requests, and from the table of operations. */
import { PROBLEM_TYPE } from '../problem.ts';
import { INTEGER, STRING } from '../schemas.ts';
import { type Content, OPERATIONS, type Operation } from './operations.ts';

/** A route, as the router was told of it. */
export interface RouteFacts {
  readonly method: string;
  readonly url: string;
  readonly schema: RouteSchema | undefined;
}

export interface RouteSchema {
  readonly params?: unknown;
  readonly querystring?: unknown;
  readonly body?: unknown;
}

/** Schemas say in `expected` what a person should write; the document says it in the word that it has for that. */
interface Schema {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly expected?: string;
}

type Json = Readonly<Record<string, unknown>>;

const PROBLEM = {
  type: 'object',
  properties: {
    type: STRING,
    title: STRING,
    status: INTEGER,
    code: { type: 'string', description: 'Of docs/errors.md.' },
    kind: STRING,
    detail: STRING,
    instance: STRING,
    details: { type: 'object', additionalProperties: { type: ['string', 'number', 'boolean', 'null'] } },
  },
  required: ['type', 'title', 'status', 'code', 'kind', 'detail'],
} as const;

const REFUSED = { $ref: '#/components/responses/Refused' } as const;

/** @param version of Millrace. @throws Error for a route that the table of operations lacks. */
export function openApiDocument(routes: readonly RouteFacts[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of routes) {
    const operation = OPERATIONS[`${route.method} ${route.url}`];
    // HEAD is served wherever GET is, and says the same.
    if (operation === undefined && route.method === 'HEAD') continue;
    if (operation === undefined) throw new Error(`No operation describes ${route.method} ${route.url}.`);
    const path = pathOf(route.url);
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = operationOf(route, operation);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Millrace',
      version,
      description: 'Event streaming over HTTP. Semantics: docs/protocol.md.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(Object.values(OPERATIONS).map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      responses: {
        Refused: {
          description: 'A refusal (RFC 9457).',
          content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}

/** `/v1/topics/:name` is `/v1/topics/{name}`. */
function pathOf(url: string): string {
  return url.replaceAll(/:(\w+)/g, '{$1}').replace(/\*$/, '{path}');
}

function operationOf({ method, url, schema }: RouteFacts, operation: Operation): Json {
  const parameters = [
    ...pathParameters(url, schema?.params as Schema | undefined),
    ...queryParameters(schema?.querystring as Schema | undefined),
    ...Object.entries(operation.headers ?? {}).map(([name, description]) => ({
      name,
      in: 'header',
      description,
      schema: STRING,
    })),
  ];
  const body =
    operation.body ?? (schema?.body === undefined ? undefined : { 'application/json': schema.body as object });
  return {
    operationId: idOf(method, url),
    tags: [operation.tag],
    summary: operation.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { content: contentOf(body) } }),
    responses: { ...answersOf(operation.answers), default: REFUSED },
  };
}

function idOf(method: string, url: string): string {
  const words = url
    .replace(/^\/v1\//, '')
    .split(/[^A-Za-z]+/)
    .filter((word) => word !== '');
  return [method.toLowerCase(), ...words.map((word) => word[0]?.toUpperCase() + word.slice(1))].join('');
}

function pathParameters(url: string, schema: Schema | undefined): Json[] {
  const names = [...url.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
  if (url.endsWith('*')) names.push('path');
  return names.map((name) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(schema?.properties?.[name] ?? STRING),
  }));
}

function queryParameters(schema: Schema | undefined): Json[] {
  return Object.entries(schema?.properties ?? {}).map(([name, property]) => ({
    name,
    in: 'query',
    ...(schema?.required?.includes(name) === true ? { required: true } : {}),
    schema: schemaOf(property),
  }));
}

function answersOf(answers: Operation['answers']): Json {
  return Object.fromEntries(
    Object.entries(answers).map(([status, content]) => [
      status,
      {
        description: Number(status) < 300 ? 'Done.' : 'Not changed.',
        ...(content === undefined ? {} : { content: contentOf(content) }),
      },
    ]),
  );
}

function contentOf(content: Content): Json {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema: schemaOf(schema) }]));
}

/** JSON Schema 2020-12, which OpenAPI 3.1 takes as it is, but for our own word. */
function schemaOf(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(schemaOf);
  if (typeof schema !== 'object' || schema === null) return schema;
  const { expected, ...rest } = schema as Record<string, unknown>;
  const copy = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, schemaOf(value)]));
  return typeof expected === 'string' ? { description: `Must be ${expected}.`, ...copy } : copy;
}
