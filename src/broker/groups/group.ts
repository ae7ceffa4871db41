/**
 * One group, alive: the state machine of the classic consumer group protocol.
 *
 * ```
 *            first join                all joined, or time is up            leader's assignment stored
 *   empty ───────────────► preparing ────────────────────────► completing ────────────────────────► stable
 *     ▲                     │  ▲  ▲                                │                                  │
 *     └── nobody is left ───┘  │  └── join, leave, expiry ─────────┘                                  │
 *                              └───── join, leave, expiry, leader joins again ────────────────────────┘
 *   any ── deleted, or the broker stops ──► dead
 * ```
 *
 * Every method is one step: it runs to its end before the next begins, and answers leave after it (outbox.ts). What
 * must be durable before it is told of goes through `store`: a formed generation before the JoinGroup answers, its
 * assignment before the SyncGroup answers, a static member's new id before it hears of it. A step may find, when its
 * store settles, that the group has moved on; then it only delivers what it stored and touches nothing else.
 *
 * States, events and invariants with their tests: docs/groups.md. Source: KIP-62, 134, 345, 389, 394, 559, 814.
 */
import type { ErrorCode } from '../../base/errors.ts';
import type {
  ClassicPhase,
  GroupDescription,
  HeartbeatRequest,
  JoinAnswer,
  JoinRequest,
  LeaveRequest,
  OffsetCommitRequest,
  SyncAnswer,
  SyncRequest,
} from './api.ts';
import { refuseCommit, refuseJoin, refuseMember, refuseSync } from './group-checks.ts';
import { assignmentAnswer, describeGroup, GroupFacts, joinedAnswer } from './group-facts.ts';
import type { GroupImage } from './group-image.ts';
import type { GroupRuntime } from './group-runtime.ts';
import { copyProtocols, Member, NO_BYTES, sameProtocols, unavailable } from './member.ts';
import type { Membership } from './membership.ts';
import { Rebalance } from './rebalance.ts';

type RespondJoin = (answer: JoinAnswer) => void;
type RespondSync = (answer: SyncAnswer) => void;

/** Member ids begin with the client's own name, for people; the whole must stay a short string on every wire. */
const MEMBER_ID_PREFIX_CHARS = 200;

export class Group {
  readonly #runtime: GroupRuntime;
  readonly #facts: GroupFacts;
  readonly #members: Membership;
  readonly #rebalance: Rebalance;

  constructor(groupId: string, runtime: GroupRuntime, image: GroupImage | undefined) {
    this.#runtime = runtime;
    this.#facts = new GroupFacts(groupId, runtime.now());
    this.#members = this.#facts.members;
    this.#rebalance = new Rebalance(runtime, this.#facts, () => runtime.settleDown(this));
    if (image !== undefined) this.#restore(image);
  }

  get groupId(): string {
    return this.#facts.groupId;
  }

  get phase(): ClassicPhase {
    return this.#facts.phase;
  }

  get protocolType(): string {
    return this.#facts.protocolType;
  }

  get protocol(): string | null {
    return this.#facts.protocol;
  }

  /** Metadata of every member for the chosen protocol. */
  *subscriptions(): Generator<Uint8Array> {
    for (const member of this.#members.all()) yield member.metadataFor(this.#facts.protocol);
  }

  /** The journal holds what is true here, but for reserved ids. */
  get isStored(): boolean {
    return this.#rebalance.isStored;
  }

  /** Nothing is here that the folded state does not hold. */
  get isForgettable(): boolean {
    return this.#facts.phase === 'empty' && this.#members.reservedCount === 0 && this.#rebalance.isStored;
  }

  // Requests. Each answers exactly once, now or when what it waits for is there.

  join(request: JoinRequest, respond: RespondJoin): void {
    const refusal = refuseJoin(this.#facts, request, this.#runtime.settings);
    if (refusal !== undefined) return this.#answer(respond, { error: refusal, memberId: request.memberId });
    if (request.memberId === '') return this.#joinNew(request, respond);
    if (request.instanceId === null && this.#members.isReserved(request.memberId)) {
      return this.#add(request, request.memberId, respond);
    }
    const wrong = this.#members.check(request.memberId, request.instanceId);
    if (wrong !== undefined) return this.#answer(respond, { error: wrong, memberId: request.memberId });
    this.#rejoin(this.#members.get(request.memberId) as Member, request, respond);
  }

  sync(request: SyncRequest, respond: RespondSync): void {
    const refusal = refuseSync(this.#facts, request, this.#runtime.settings);
    if (refusal !== undefined) return this.#answer(respond, { error: refusal });
    const member = this.#members.get(request.memberId) as Member;
    this.#rebalance.synced(member);
    if (this.#facts.phase === 'stable') {
      member.renew();
      return this.#answer(respond, assignmentAnswer(this.#facts, member));
    }
    member.parkSync(respond);
    if (member.memberId === this.#members.leaderId) this.#rebalance.assign(request);
  }

  heartbeat(request: HeartbeatRequest): ErrorCode | undefined {
    const refusal = refuseMember(this.#facts, request);
    if (refusal !== undefined) return refusal;
    this.#members.get(request.memberId)?.renew();
    return this.#facts.phase === 'preparing' ? 'BROKER_REBALANCE_IN_PROGRESS' : undefined;
  }

  /** One code per member asked for, in order. */
  leave(request: LeaveRequest): (ErrorCode | undefined)[] {
    const before = this.#members.size;
    const results = request.members.map(({ memberId, instanceId }) => this.#leaveOne(memberId, instanceId));
    // Giving back an id that was only reserved disturbs nobody, but others may have waited for it.
    if (this.#members.size < before || this.#facts.phase === 'preparing') this.#rebalance.trigger('a member left');
    this.#runtime.settleDown(this);
    return results;
  }

  /** Whether these offsets may be stored; renews the session of the member that asks. */
  admitCommit(request: OffsetCommitRequest, isTransactional = false): ErrorCode | undefined {
    const refusal = refuseCommit(this.#facts, request, isTransactional);
    if (refusal === undefined) this.#members.get(request.memberId)?.renew();
    return refusal;
  }

  describe(): GroupDescription {
    return describeGroup(this.#facts);
  }

  /** Everybody who waits is told to look for the coordinator again; nothing changes here any more. */
  die(): void {
    this.#rebalance.die();
    this.#members.releaseAll();
    for (const member of this.#members.all()) {
      member.session.cancel();
      member.refuseJoin('BROKER_COORDINATOR_UNAVAILABLE');
      member.answerSync({ error: 'BROKER_COORDINATOR_UNAVAILABLE' });
    }
  }

  // Joining.

  #joinNew(request: JoinRequest, respond: RespondJoin): void {
    const name = (request.instanceId ?? request.clientId).slice(0, MEMBER_ID_PREFIX_CHARS).toWellFormed();
    const memberId = this.#runtime.newMemberId(name);
    if (request.instanceId !== null) {
      const old = this.#members.byInstance(request.instanceId);
      return old === undefined ? this.#add(request, memberId, respond) : this.#replace(old, memberId, request, respond);
    }
    if (!request.requireKnownMemberId) return this.#add(request, memberId, respond);
    const expiry = this.#runtime.deadline(() => this.#forgetReserved(memberId));
    expiry.set(request.sessionTimeoutMs);
    this.#members.reserve(memberId, expiry);
    this.#answer(respond, { error: 'BROKER_MEMBER_ID_REQUIRED', memberId });
  }

  #add(request: JoinRequest, memberId: string, respond: RespondJoin): void {
    const member = this.#newMember(request, memberId, NO_BYTES);
    member.isNew = true;
    if (this.#members.size === 0) this.#facts.protocolType = request.protocolType;
    this.#rebalance.grew();
    this.#members.add(member);
    member.parkJoin(respond);
    // Nobody heartbeats without a member id, and a connection that waits is not read, so its end goes unseen: without
    // this bound, clients that give up and come back would pile up as dead members.
    member.session.set(this.#runtime.settings.groupNewMemberJoinTimeoutMs);
    this.#rebalance.trigger('a member joined');
  }

  #rejoin(member: Member, request: JoinRequest, respond: RespondJoin): void {
    const unchanged = sameProtocols(member.protocols, request.protocols);
    const isLeader = member.memberId === this.#members.leaderId;
    // The answer was lost (completing), or a follower looks for its generation (stable): nothing to rebalance. A leader
    // that joins a stable group wants a new assignment, because topics changed.
    const wantsCurrent =
      unchanged && (this.#facts.phase === 'completing' || (this.#facts.phase === 'stable' && !isLeader));
    if (wantsCurrent) {
      member.renew();
      const answer = joinedAnswer(this.#facts, member, false);
      return this.#rebalance.whenStored(
        () => respond(answer),
        () => respond(unavailable(member.memberId)),
      );
    }
    this.#update(member, request);
    member.parkJoin(respond);
    this.#rebalance.trigger(unchanged ? 'the leader joined again' : 'a member joined again');
  }

  /** A static member without its member id: it restarted. The old id is fenced, assignment and place are kept. */
  #replace(old: Member, memberId: string, request: JoinRequest, respond: RespondJoin): void {
    const leaderBefore = this.#members.leaderId;
    old.refuseJoin('BROKER_MEMBER_FENCED');
    old.answerSync({ error: 'BROKER_MEMBER_FENCED' });
    old.session.cancel();
    const member = this.#newMember(request, memberId, old.assignment);
    this.#members.replace(old, member);
    this.#rebalance.replaced(old.memberId, memberId);
    member.renew();
    if (this.#facts.phase !== 'stable' || this.#members.electProtocol() !== this.#facts.protocol) {
      member.parkJoin(respond);
      // In completing as well: the leader may already hold the old id, whose assignment nobody would claim.
      return this.#rebalance.trigger('a static member came back');
    }
    const isLeader = this.#members.leaderId === memberId;
    const answer: JoinAnswer = request.supportsSkipAssignment
      ? joinedAnswer(this.#facts, member, isLeader)
      : // A client that cannot skip the assignment must not think that it leads, or it would compute a new one.
        { ...joinedAnswer(this.#facts, member, false), leaderId: leaderBefore ?? '', members: [] };
    this.#rebalance.store('stable', (error) => {
      if (member.session.isSet) member.renew();
      this.#answer(respond, error === undefined ? answer : unavailable(''));
    });
  }

  #newMember(request: JoinRequest, memberId: string, assignment: Uint8Array): Member {
    const member: Member = new Member(
      {
        memberId,
        instanceId: request.instanceId,
        clientId: request.clientId,
        clientHost: request.clientHost,
        sessionTimeoutMs: request.sessionTimeoutMs,
        rebalanceTimeoutMs: this.#rebalanceTimeout(request),
        protocols: copyProtocols(request.protocols),
        assignment,
      },
      this.#runtime.deadline(() => this.#sessionTimeout(member)),
      this.#runtime.outbox,
    );
    return member;
  }

  #update(member: Member, request: JoinRequest): void {
    this.#members.setProtocols(member, copyProtocols(request.protocols));
    member.sessionTimeoutMs = request.sessionTimeoutMs;
    member.rebalanceTimeoutMs = this.#rebalanceTimeout(request);
  }

  /** At least 1 ms: a phase that ends before it begins would spin. */
  #rebalanceTimeout({ rebalanceTimeoutMs }: JoinRequest): number {
    return Math.min(Math.max(rebalanceTimeoutMs, 1), this.#runtime.settings.groupMaxRebalanceTimeoutMs);
  }

  // Leaving.

  #leaveOne(memberId: string, instanceId: string | null): ErrorCode | undefined {
    if (this.#facts.phase === 'dead') return 'BROKER_COORDINATOR_UNAVAILABLE';
    if (memberId === '') {
      const member = instanceId === null ? undefined : this.#members.byInstance(instanceId);
      if (member === undefined) return 'BROKER_MEMBER_UNKNOWN';
      this.#rebalance.drop(member);
      return undefined;
    }
    if (this.#members.release(memberId)) return undefined;
    const wrong = this.#members.check(memberId, instanceId);
    if (wrong === undefined) this.#rebalance.drop(this.#members.get(memberId) as Member);
    return wrong;
  }

  #sessionTimeout(member: Member): void {
    if (this.#members.get(member.memberId) !== member) return;
    // It waits for the journal, not for itself.
    if (this.#rebalance.isStoring) return member.renew();
    // Its session starts anew when it is answered.
    if (!member.isNew && (member.awaitsJoin || member.awaitsSync)) return;
    this.#runtime.counters.expiredMembers += 1;
    this.#runtime.logger?.info('member expired', { group: this.groupId, member: member.memberId });
    this.#rebalance.drop(member);
    this.#rebalance.trigger('a session ended');
  }

  #forgetReserved(memberId: string): void {
    this.#members.release(memberId);
    if (this.#facts.phase === 'preparing') this.#rebalance.trigger('a reserved id expired');
    this.#runtime.settleDown(this);
  }

  // Common.

  #answer<T>(respond: (answer: T) => void, answer: T): void {
    this.#runtime.outbox.push(() => respond(answer));
  }

  /** Members go on where they were: same ids, same generation, sessions counted from now. */
  #restore(image: GroupImage): void {
    this.#facts.phase = image.phase;
    this.#facts.changedAt = image.changedAt;
    this.#facts.generation = image.generation;
    this.#facts.protocolType = image.protocolType;
    this.#facts.protocol = image.protocol;
    for (const stored of image.members) {
      const member: Member = new Member(
        stored,
        this.#runtime.deadline(() => this.#sessionTimeout(member)),
        this.#runtime.outbox,
      );
      this.#members.add(member);
      member.renew();
    }
    this.#members.restoreLeader(image.leaderId);
    this.#rebalance.resume();
  }
}
