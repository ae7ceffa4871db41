/**
 * Holds requests against their schemas. One definition (`schemas.ts`) gives the check, the TypeScript type and, later,
 * the OpenAPI document; the words of a refusal are made here.
 */
import type { Compile, Validator, XSchema } from 'typebox/schema';
import { assert, MillraceError } from '../../base/errors.ts';

export type RequestPart = 'body' | 'querystring' | 'params' | 'headers';

/** Schemas say in `expected` what a person should have written, where the keyword alone would not tell. */
interface Property {
  readonly type?: string;
  readonly expected?: string;
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, Property>>;
}

interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly message: string;
  readonly params: unknown;
}

const NOUN: Readonly<Record<RequestPart, string>> = {
  body: 'Member',
  querystring: 'Query parameter',
  params: 'Path parameter',
  headers: 'Header',
};

let compile: typeof Compile | undefined;

/** Loads the checker: a tenth of a second that need not pass before the listener listens. Once; later calls cost nothing. */
export async function loadValidator(): Promise<void> {
  compile ??= (await import('typebox/schema')).Compile;
}

export function isValidatorLoaded(): boolean {
  return compile !== undefined;
}

/** @returns a check that yields the value, with the numbers and booleans of a query made of their text, or an error. */
export function compileValidator(
  schema: XSchema,
  part: RequestPart,
): (value: unknown) => { value: unknown } | { error: MillraceError } {
  let compiled: Validator | undefined;
  const properties = (schema as ObjectSchema).properties ?? {};
  return (given) => {
    const value = part === 'querystring' ? coerce(given as Record<string, unknown>, properties) : given;
    compiled ??= compileNow(schema);
    if (compiled.Check(value)) return { value };
    const [, errors] = compiled.Errors(value);
    return { error: refusal(errors, part, properties) };
  };
}

function compileNow(schema: XSchema): Validator {
  assert(compile !== undefined, 'a request is checked before the validator is loaded');
  return compile(schema);
}

/** Query parameters are text. What does not look like its type stays text, and the check refuses it. */
function coerce(
  query: Record<string, unknown>,
  properties: Readonly<Record<string, Property>>,
): Record<string, unknown> {
  // Without a prototype `__proto__` is a name like any other.
  const result = Object.create(null) as Record<string, unknown>;
  for (const [name, text] of Object.entries(query)) {
    const type = Object.hasOwn(properties, name) ? properties[name]?.type : undefined;
    result[name] = typeof text === 'string' ? coerceText(text, type) : text;
  }
  return result;
}

function coerceText(text: string, type: string | undefined): unknown {
  if (type === 'integer' && /^-?\d{1,16}$/.test(text)) return Number(text);
  if (type === 'number' && /^-?\d{1,16}(?:\.\d{1,9})?$/.test(text)) return Number(text);
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function refusal(
  errors: readonly SchemaError[],
  part: RequestPart,
  properties: Readonly<Record<string, Property>>,
): MillraceError {
  // Where members of any name are taken, this keyword only repeats that one of them is wrong.
  const closed = Object.keys(properties).length > 0;
  const unknown = errors.find(
    ({ keyword, instancePath }) => keyword === 'additionalProperties' && instancePath === '' && closed,
  );
  const error = unknown ?? errors.find(({ keyword }) => keyword !== 'boolean' && keyword !== 'additionalProperties');
  const path = (error?.instancePath ?? '').split('/').slice(1).map(unescapePointer);
  const name = path.join('.');
  return new MillraceError('HTTP_REQUEST_INVALID', `${words(error, path, part, properties)}.`, {
    details: { in: part === 'querystring' ? 'query' : part, ...(name === '' ? {} : { name: name.slice(0, 100) }) },
  });
}

function words(
  error: SchemaError | undefined,
  path: readonly string[],
  part: RequestPart,
  properties: Readonly<Record<string, Property>>,
): string {
  const noun = NOUN[part];
  if (error?.keyword === 'additionalProperties') {
    const { additionalProperties = [] } = error.params as { additionalProperties?: readonly string[] };
    const names = additionalProperties.map((name) => `\`${name.slice(0, 100)}\``).join(', ');
    return `${noun} ${names} is unknown; known: ${Object.keys(properties).join(', ')}`;
  }
  if (error?.keyword === 'required') {
    const { requiredProperties = [] } = error.params as { requiredProperties?: readonly string[] };
    return `${noun} \`${requiredProperties.join('`, `')}\` is missing`;
  }
  const [name] = path;
  if (name === undefined) return part === 'body' ? 'The body must be a JSON object' : `The ${part} is out of form`;
  const expected = Object.hasOwn(properties, name) ? properties[name]?.expected : undefined;
  return `${noun} \`${path.join('.').slice(0, 100)}\` ${expected === undefined ? error?.message : `must be ${expected}`}`;
}

/** JSON Pointer, RFC 6901. */
function unescapePointer(segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~');
}
