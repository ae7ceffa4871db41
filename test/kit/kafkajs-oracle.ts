/**
 * kafkajs's codecs as a second oracle, for the old versions. Its names and nesting differ from ours, its order does not:
 * values are compared as the sequence of their leaves.
 */
import { createRequire } from 'node:module';
import { isIn } from '../../src/wire/compile-reader.ts';
import type { FieldType } from '../../src/wire/schema.ts';

const require = createRequire(import.meta.url);

interface Protocol {
  readonly request: { encode(): Promise<{ readonly buffer: Buffer }> };
  readonly response: { decode(bytes: Buffer): Promise<unknown> };
}

interface Codecs {
  readonly versions: readonly string[];
  protocol(choice: { version: number }): (args: Readonly<Record<string, unknown>>) => Protocol;
}

/** Undefined where kafkajs does not know the API. */
export function kafkajsCodecs(apiName: string): Codecs | undefined {
  const folder = `${apiName.charAt(0).toLowerCase()}${apiName.slice(1)}`;
  try {
    return require(`kafkajs/src/protocol/requests/${folder}`) as Codecs;
  } catch {
    return undefined;
  }
}

/** Its response parsers come with a request, which some build from these at once. */
export const NO_ARGUMENTS = {
  topics: [],
  topicData: [],
  groupIds: [],
  members: [],
  groupAssignment: [],
  groupProtocols: [],
  resources: [],
  configResources: [],
  topicNames: [],
  topicPartitions: [],
};

/** Leaves of our value, in the wire's order, without the fields that `skip` names. */
export function leavesOfOurs(type: FieldType, version: number, value: unknown, skip: ReadonlySet<string>): string[] {
  if (value === null || type.kind === 'scalar') return [leaf(value)];
  if (type.kind === 'array') {
    return (value as readonly unknown[]).flatMap((element) => leavesOfOurs(type.element, version, element, skip));
  }
  const struct = value as Readonly<Record<string, unknown>>;
  return Object.entries(type.fields)
    .filter(([name, field]) => isIn(field, version) && !skip.has(name))
    .flatMap(([name, field]) => leavesOfOurs(field.type, version, struct[name], skip));
}

/** Leaves of their value, in the order in which their decoder made them. */
export function leavesOfTheirs(value: unknown, skip: ReadonlySet<string>): string[] {
  if (value === undefined) return [];
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return [leaf(value)];
  if (Array.isArray(value)) return value.flatMap((element) => leavesOfTheirs(element, skip));
  return Object.entries(value).flatMap(([name, inner]) => (skip.has(name) ? [] : leavesOfTheirs(inner, skip)));
}

/** They give 64-bit numbers as decimal strings. */
function leaf(value: unknown): string {
  return value instanceof Uint8Array ? `bytes:${Buffer.from(value).toString('hex')}` : String(value);
}
