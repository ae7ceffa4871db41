/** Bodies of the state commands of subscriptions, versioned by their first byte. Layouts: docs/formats.md, "State commands". */
import { MillraceError } from '../../base/errors.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkBodyVersion } from '../body-version.ts';
import type { StreamLink, SubscriptionConfig, SubscriptionType, WakeState } from './stream-subscription.ts';

const BODY_VERSION = 1;
/** On disk: never renumber. */
const TYPES: Readonly<Record<SubscriptionType, number>> = { webhook: 1, 'pull-wake': 2 };
const BY_GLOB = 1;
const BY_NAME = 2;

/** Secrets of this data directory: what signs webhooks, and what makes tokens. */
export interface SubscriptionKeys {
  /** Ed25519, PKCS #8, DER. */
  readonly privateKey: Uint8Array;
  readonly tokenSecret: Uint8Array;
}

export interface SubscriptionChange {
  readonly id: string;
  readonly wake: WakeState;
  /** Links that are new or other than before. */
  readonly links: readonly StreamLink[];
  /** Names of links that are gone. */
  readonly unlinked: readonly string[];
}

export function encodeKeys(keys: SubscriptionKeys): Uint8Array {
  return new StateWriter().u8(BODY_VERSION).bytes(keys.privateKey).bytes(keys.tokenSecret).finish();
}

export function decodeKeys(type: number, body: Uint8Array): SubscriptionKeys {
  const reader = open(type, body);
  return { privateKey: reader.bytes(), tokenSecret: reader.bytes() };
}

export function encodeSubscribed(config: SubscriptionConfig, links: readonly StreamLink[]): Uint8Array {
  const writer = new StateWriter().u8(BODY_VERSION);
  writeConfig(writer, config);
  return writeLinks(writer, links).finish();
}

export function decodeSubscribed(type: number, body: Uint8Array): { config: SubscriptionConfig; links: StreamLink[] } {
  const reader = open(type, body);
  return { config: readConfig(reader), links: readLinks(reader) };
}

export function encodeChange(change: SubscriptionChange): Uint8Array {
  const writer = new StateWriter().u8(BODY_VERSION).string(change.id);
  writeWake(writer, change.wake);
  return writeLinks(writer, change.links)
    .list(change.unlinked, (name) => writer.string(name))
    .finish();
}

export function decodeChange(type: number, body: Uint8Array): SubscriptionChange {
  const reader = open(type, body);
  return {
    id: reader.string(),
    wake: readWake(reader),
    links: readLinks(reader),
    unlinked: reader.list(() => reader.string()),
  };
}

export function encodeUnsubscribed(id: string): Uint8Array {
  return new StateWriter().u8(BODY_VERSION).string(id).finish();
}

export function decodeUnsubscribed(type: number, body: Uint8Array): string {
  return open(type, body).string();
}

export function writeConfig(writer: StateWriter, config: SubscriptionConfig): void {
  writer
    .string(config.id)
    .u8(TYPES[config.type])
    .nullableString(config.pattern ?? null);
  writer.nullableString(config.webhookUrl ?? null).nullableString(config.wakeStream ?? null);
  writer.u32(config.leaseTtlMs).nullableString(config.description ?? null);
  writer.i64(config.createdAt).string(config.baseUrl).string(config.configHash);
}

export function readConfig(reader: StateReader): SubscriptionConfig {
  return {
    id: reader.string(),
    type: typeOf(reader.u8()),
    pattern: reader.nullableString() ?? undefined,
    webhookUrl: reader.nullableString() ?? undefined,
    wakeStream: reader.nullableString() ?? undefined,
    leaseTtlMs: reader.u32(),
    description: reader.nullableString() ?? undefined,
    createdAt: reader.i64(),
    baseUrl: reader.string(),
    configHash: reader.string(),
  };
}

export function writeWake(writer: StateWriter, wake: WakeState): void {
  writer
    .i64(wake.generation)
    .nullableString(wake.wakeId ?? null)
    .nullableString(wake.holder ?? null);
  writer.i64(wake.leaseUntil).u32(wake.retryCount).i64(wake.nextAttemptAt);
}

export function readWake(reader: StateReader): WakeState {
  return {
    generation: reader.i64(),
    wakeId: reader.nullableString() ?? undefined,
    holder: reader.nullableString() ?? undefined,
    leaseUntil: reader.i64(),
    retryCount: reader.u32(),
    nextAttemptAt: reader.i64(),
  };
}

export function writeLinks(writer: StateWriter, links: Iterable<StreamLink>): StateWriter {
  return writer.list(links, ({ name, byGlob, byName, ackedOffset }) =>
    writer
      .string(name)
      .u8((byGlob ? BY_GLOB : 0) | (byName ? BY_NAME : 0))
      .i64(ackedOffset),
  );
}

export function readLinks(reader: StateReader): StreamLink[] {
  return reader.list(() => {
    const name = reader.string();
    const bits = reader.u8();
    return { name, byGlob: (bits & BY_GLOB) !== 0, byName: (bits & BY_NAME) !== 0, ackedOffset: reader.i64() };
  });
}

function typeOf(value: number): SubscriptionType {
  if (value === TYPES.webhook) return 'webhook';
  if (value === TYPES['pull-wake']) return 'pull-wake';
  throw new MillraceError('STORE_CORRUPT', `A subscription has type ${value}, which is unknown.`);
}

function open(type: number, body: Uint8Array): StateReader {
  const reader = new StateReader(body, `State command ${type}`);
  checkBodyVersion(type, reader.u8(), BODY_VERSION);
  return reader;
}
