/**
 * Who is in a group: members by id and by instance id, ids that are reserved, the leader, and the vote for a protocol.
 * Knows nothing of phases, timers or answers.
 */
import { assert, type ErrorCode } from '../../base/errors.ts';
import type { GroupProtocol } from './api.ts';
import type { Deadline } from './deadlines.ts';
import type { Member } from './member.ts';

export class Membership {
  /** In order of joining. */
  readonly #members = new Map<string, Member>();
  readonly #byInstance = new Map<string, Member>();
  /** Ids handed out with BROKER_MEMBER_ID_REQUIRED and not used yet, each with the time it is forgotten. */
  readonly #reserved = new Map<string, Deadline>();
  /** How many members support each protocol: a client may list thousands, so votes are counted, not searched. */
  readonly #supporters = new Map<string, number>();
  #leaderId: string | null = null;
  #sizeBytes = 0;

  get size(): number {
    return this.#members.size;
  }

  get reservedCount(): number {
    return this.#reserved.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get leaderId(): string | null {
    return this.#leaderId;
  }

  get(memberId: string): Member | undefined {
    return this.#members.get(memberId);
  }

  byInstance(instanceId: string): Member | undefined {
    return this.#byInstance.get(instanceId);
  }

  all(): IterableIterator<Member> {
    return this.#members.values();
  }

  /** The first member leads until an election says otherwise. */
  add(member: Member): void {
    assert(!this.#members.has(member.memberId), `member ${member.memberId} joined twice`);
    this.#members.set(member.memberId, member);
    if (member.instanceId !== null) this.#byInstance.set(member.instanceId, member);
    this.#leaderId ??= member.memberId;
    this.#count(member, 1);
    this.release(member.memberId);
  }

  /** A leader that goes hands over to the member that has been here longest. */
  remove(member: Member): void {
    if (!this.#members.delete(member.memberId)) return;
    if (member.instanceId !== null) this.#byInstance.delete(member.instanceId);
    if (this.#leaderId === member.memberId) this.#leaderId = this.#members.keys().next().value ?? null;
    this.#count(member, -1);
  }

  /** A static member comes back under a new id; it keeps leading if it led. */
  replace(old: Member, member: Member): void {
    const led = this.#leaderId === old.memberId;
    this.remove(old);
    this.add(member);
    if (led) this.#leaderId = member.memberId;
  }

  setProtocols(member: Member, protocols: readonly GroupProtocol[]): void {
    this.#count(member, -1);
    member.protocols = protocols;
    this.#count(member, 1);
  }

  /** For a group that comes back from its image. */
  restoreLeader(leaderId: string | null): void {
    if (leaderId !== null && this.#members.has(leaderId)) this.#leaderId = leaderId;
  }

  reserve(memberId: string, expiry: Deadline): void {
    this.#reserved.set(memberId, expiry);
  }

  isReserved(memberId: string): boolean {
    return this.#reserved.has(memberId);
  }

  /** @returns whether the id was reserved. */
  release(memberId: string): boolean {
    this.#reserved.get(memberId)?.cancel();
    return this.#reserved.delete(memberId);
  }

  releaseAll(): void {
    for (const memberId of this.#reserved.keys()) this.release(memberId);
  }

  /** Everybody who is expected has a JoinGroup waiting. */
  get allJoined(): boolean {
    if (this.#reserved.size > 0) return false;
    for (const member of this.#members.values()) if (!member.awaitsJoin) return false;
    return true;
  }

  /** The longest any member wants a rebalance to wait; 0 without members. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const member of this.#members.values()) longest = Math.max(longest, member.rebalanceTimeoutMs);
    return longest;
  }

  /** The code that a request in this member's name must be refused with, if any. */
  check(memberId: string, instanceId: string | null): ErrorCode | undefined {
    if (instanceId !== null) {
      const holder = this.#byInstance.get(instanceId);
      if (holder === undefined) return 'BROKER_MEMBER_UNKNOWN';
      if (holder.memberId !== memberId) return 'BROKER_MEMBER_FENCED';
    }
    return this.#members.has(memberId) ? undefined : 'BROKER_MEMBER_UNKNOWN';
  }

  /**
   * The leader stays if it has joined; else the first member that has leads.
   * @returns false when nobody has joined.
   */
  electLeader(): boolean {
    if (this.#leaderId !== null && this.#members.get(this.#leaderId)?.awaitsJoin === true) return true;
    for (const member of this.#members.values()) {
      if (!member.awaitsJoin) continue;
      this.#leaderId = member.memberId;
      return true;
    }
    return false;
  }

  /** Whether everybody but `except` supports one of these: then there is a common protocol with `except` having them. */
  haveCommon(protocols: readonly GroupProtocol[], except: Member | undefined): boolean {
    const own = protocolNames(except?.protocols ?? []);
    const others = this.#members.size - (except === undefined ? 0 : 1);
    return protocols.some(({ name }) => (this.#supporters.get(name) ?? 0) - (own.has(name) ? 1 : 0) === others);
  }

  /** Each member votes for the first of its protocols that all support; a tie goes to the one voted for first. */
  electProtocol(): string {
    const votes = new Map<string, number>();
    for (const member of this.#members.values()) {
      const choice = member.protocols.find(({ name }) => this.#supporters.get(name) === this.#members.size);
      assert(choice !== undefined, 'members without a common protocol are in one group');
      votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
    }
    let winner = '';
    let most = 0;
    for (const [name, count] of votes) {
      if (count <= most) continue;
      winner = name;
      most = count;
    }
    return winner;
  }

  #count(member: Member, step: 1 | -1): void {
    this.#sizeBytes += step * member.sizeBytes;
    for (const name of protocolNames(member.protocols)) {
      const count = (this.#supporters.get(name) ?? 0) + step;
      if (count === 0) this.#supporters.delete(name);
      else this.#supporters.set(name, count);
    }
  }
}

/** Each once, though a client may name one twice. */
function protocolNames(protocols: readonly GroupProtocol[]): Set<string> {
  return new Set(protocols.map(({ name }) => name));
}
