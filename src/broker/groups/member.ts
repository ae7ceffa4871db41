/** One member of a group as the coordinator sees it: what it asked for, what it waits for, when it is given up. */
import type { ErrorCode } from '../../base/errors.ts';
import type { GroupProtocol, JoinAnswer, JoinRefused, JoinRequest, SyncAnswer } from './api.ts';
import type { Deadline } from './deadlines.ts';
import type { MemberImage } from './group-image.ts';
import type { Outbox } from './outbox.ts';

export const NO_BYTES: Uint8Array = new Uint8Array(0);
/** Object, map entries and deadline of a member, approximately. */
const OVERHEAD_BYTES = 400;
const PROTOCOL_OVERHEAD_BYTES = 64;

export class Member implements MemberImage {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocols: readonly GroupProtocol[];
  assignment: Uint8Array;
  /** Runs out when the member was not heard of for its session timeout. */
  readonly session: Deadline;
  /** Has never been answered: it cannot heartbeat, so it may expire while its JoinGroup waits. */
  isNew = false;
  readonly #outbox: Outbox;
  #join: ((answer: JoinAnswer) => void) | undefined;
  #sync: ((answer: SyncAnswer) => void) | undefined;

  constructor(image: MemberImage, session: Deadline, outbox: Outbox) {
    this.memberId = image.memberId;
    this.instanceId = image.instanceId;
    this.clientId = image.clientId;
    this.clientHost = image.clientHost;
    this.sessionTimeoutMs = image.sessionTimeoutMs;
    this.rebalanceTimeoutMs = image.rebalanceTimeoutMs;
    this.protocols = image.protocols;
    this.assignment = image.assignment;
    this.session = session;
    this.#outbox = outbox;
  }

  get sizeBytes(): number {
    return OVERHEAD_BYTES + imageBytes(this);
  }

  get awaitsJoin(): boolean {
    return this.#join !== undefined;
  }

  get awaitsSync(): boolean {
    return this.#sync !== undefined;
  }

  renew(): void {
    this.session.set(this.sessionTimeoutMs);
  }

  metadataFor(protocol: string | null): Uint8Array {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_BYTES;
  }

  /** Parks a JoinGroup. One that waits already is told to join again: its connection is probably gone. */
  parkJoin(respond: (answer: JoinAnswer) => void): void {
    this.refuseJoin('BROKER_REBALANCE_IN_PROGRESS');
    this.#join = respond;
  }

  parkSync(respond: (answer: SyncAnswer) => void): void {
    this.answerSync({ error: 'BROKER_REBALANCE_IN_PROGRESS' });
    this.#sync = respond;
  }

  /** Takes the parked JoinGroup away, to be answered by the caller. */
  takeJoin(): ((answer: JoinAnswer) => void) | undefined {
    const respond = this.#join;
    this.#join = undefined;
    return respond;
  }

  /** @param memberId what the client shall call itself from now on; empty: it must start anew. */
  refuseJoin(error: ErrorCode, memberId = this.memberId): void {
    const respond = this.takeJoin();
    if (respond !== undefined) this.#outbox.push(() => respond({ error, memberId }));
  }

  /** @returns whether one was parked. */
  answerSync(answer: SyncAnswer): boolean {
    const respond = this.#sync;
    if (respond === undefined) return false;
    this.#sync = undefined;
    this.#outbox.push(() => respond(answer));
    return true;
  }
}

/** Bytes a client makes us keep for it. */
export function imageBytes(image: Omit<MemberImage, 'assignment' | 'sessionTimeoutMs' | 'rebalanceTimeoutMs'>): number {
  let bytes = Buffer.byteLength(image.memberId) + Buffer.byteLength(image.instanceId ?? '');
  bytes += Buffer.byteLength(image.clientId) + Buffer.byteLength(image.clientHost);
  for (const { name, metadata } of image.protocols) {
    bytes += PROTOCOL_OVERHEAD_BYTES + Buffer.byteLength(name) + metadata.length;
  }
  return bytes;
}

export function sameProtocols(a: readonly GroupProtocol[], b: readonly GroupProtocol[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, metadata }, index) => {
      const other = b[index] as GroupProtocol;
      return name === other.name && Buffer.compare(metadata, other.metadata) === 0;
    })
  );
}

/** Owned copies: the request's bytes lie in a socket's buffer. */
export function copyProtocols(protocols: JoinRequest['protocols']): GroupProtocol[] {
  return protocols.map(({ name, metadata }) => ({ name, metadata: new Uint8Array(metadata) }));
}

/** The answer to a JoinGroup whose outcome could not be stored: look for the coordinator and join again. */
export function unavailable(memberId: string): JoinRefused {
  return { error: 'BROKER_COORDINATOR_UNAVAILABLE', memberId };
}
