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
import type { ErrorCode, MillraceError } from '../../base/errors.ts';
import type {
  GroupDescription,
  GroupPhase,
  HeartbeatRequest,
  JoinAnswer,
  JoinRequest,
  LeaveRequest,
  OffsetCommitRequest,
  SyncAnswer,
  SyncRequest,
} from './api.ts';
import type { Deadline } from './deadlines.ts';
import { refuseCommit, refuseJoin, refuseMember, refuseSync } from './group-checks.ts';
import { assignmentAnswer, describeGroup, GroupFacts, groupImage, joinedAnswer } from './group-facts.ts';
import type { GroupImage, StoredPhase } from './group-image.ts';
import type { GroupRuntime } from './group-runtime.ts';
import { copyProtocols, Member, NO_BYTES, sameProtocols } from './member.ts';
import type { Membership } from './membership.ts';

type RespondJoin = (answer: JoinAnswer) => void;
type RespondSync = (answer: SyncAnswer) => void;

/** Kafka's generations are signed 32-bit; the next after the last is the first again. */
const LAST_GENERATION = 0x7fff_ffff;
/** Member ids begin with the client's own name, for people; the whole must stay a short string on every wire. */
const MEMBER_ID_PREFIX_CHARS = 200;
/** An empty generation that the journal refused (overload) is offered again after this. */
const STORE_RETRY_MS = 1_000;

export class Group {
  readonly #runtime: GroupRuntime;
  readonly #facts: GroupFacts;
  readonly #members: Membership;
  /** Ends the join phase; for the first rebalance of an empty group, or later ones. */
  readonly #joinTimer: Deadline;
  /** Ends the wait for members that got their JoinGroup answer and never synced. */
  readonly #syncTimer: Deadline;
  readonly #retryTimer: Deadline;
  /** Members of this generation that have not synced yet. */
  readonly #pendingSync = new Set<string>();
  /** Set while the first rebalance of an empty group gathers members. */
  #initial: { remainingMs: number; delayMs: number; grown: boolean } | undefined;
  /** The leader's assignment for the current generation is on its way to the journal. */
  #assigning = false;
  #storesInFlight = 0;
  /** The journal holds an older membership than this group's emptiness. */
  #emptyUnstored = false;

  constructor(groupId: string, runtime: GroupRuntime, image: GroupImage | undefined) {
    this.#runtime = runtime;
    this.#facts = new GroupFacts(groupId, runtime.now());
    this.#members = this.#facts.members;
    this.#joinTimer = runtime.deadline(() => this.#joinTimeout());
    this.#syncTimer = runtime.deadline(() => this.#syncTimeout());
    this.#retryTimer = runtime.deadline(() => this.#storeEmpty());
    if (image !== undefined) this.#restore(image);
  }

  get groupId(): string {
    return this.#facts.groupId;
  }

  get phase(): GroupPhase {
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

  /** Nothing is here that the folded state does not hold. */
  get isForgettable(): boolean {
    return (
      this.#facts.phase === 'empty' &&
      this.#members.reservedCount === 0 &&
      this.#storesInFlight === 0 &&
      !this.#emptyUnstored
    );
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
    this.#synced(member);
    if (this.#facts.phase === 'stable') {
      member.renew();
      return this.#answer(respond, assignmentAnswer(this.#facts, member));
    }
    member.parkSync(respond);
    if (member.memberId === this.#members.leaderId && !this.#assigning) this.#storeAssignment(request);
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
    if (this.#members.size < before || this.#facts.phase === 'preparing')
      this.#rebalanceOrCompleteJoin('a member left');
    this.#runtime.settleDown(this);
    return results;
  }

  /** Whether these offsets may be stored; renews the session of the member that asks. */
  admitCommit(request: OffsetCommitRequest): ErrorCode | undefined {
    const refusal = refuseCommit(this.#facts, request);
    if (refusal === undefined) this.#members.get(request.memberId)?.renew();
    return refusal;
  }

  describe(): GroupDescription {
    return describeGroup(this.#facts);
  }

  /** Everybody who waits is told to look for the coordinator again; nothing changes here any more. */
  die(): void {
    this.#enter('dead');
    for (const timer of [this.#joinTimer, this.#syncTimer, this.#retryTimer]) timer.cancel();
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
    if (this.#initial !== undefined) this.#initial.grown = true;
    this.#members.add(member);
    member.parkJoin(respond);
    // Nobody heartbeats without a member id, and a connection that waits is not read, so its end goes unseen: without
    // this bound, clients that give up and come back would pile up as dead members.
    member.session.set(this.#runtime.settings.groupNewMemberJoinTimeoutMs);
    this.#rebalanceOrCompleteJoin('a member joined');
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
      return this.#whenStored(
        () => respond(answer),
        () => respond(unavailable(member.memberId)),
      );
    }
    this.#update(member, request);
    member.parkJoin(respond);
    this.#rebalanceOrCompleteJoin(unchanged ? 'the leader joined again' : 'a member joined again');
  }

  /** A static member without its member id: it restarted. The old id is fenced, assignment and place are kept. */
  #replace(old: Member, memberId: string, request: JoinRequest, respond: RespondJoin): void {
    const leaderBefore = this.#members.leaderId;
    old.refuseJoin('BROKER_MEMBER_FENCED');
    old.answerSync({ error: 'BROKER_MEMBER_FENCED' });
    old.session.cancel();
    const member = this.#newMember(request, memberId, old.assignment);
    this.#members.replace(old, member);
    if (this.#pendingSync.delete(old.memberId)) this.#pendingSync.add(memberId);
    member.renew();
    if (this.#facts.phase !== 'stable' || this.#members.electProtocol() !== this.#facts.protocol) {
      member.parkJoin(respond);
      // In completing as well: the leader may already hold the old id, whose assignment nobody would claim.
      return this.#rebalanceOrCompleteJoin('a static member came back');
    }
    const isLeader = this.#members.leaderId === memberId;
    const answer: JoinAnswer = request.supportsSkipAssignment
      ? joinedAnswer(this.#facts, member, isLeader)
      : // A client that cannot skip the assignment must not think that it leads, or it would compute a new one.
        { ...joinedAnswer(this.#facts, member, false), leaderId: leaderBefore ?? '', members: [] };
    this.#store('stable', (error) => {
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

  // Rebalancing.

  #rebalanceOrCompleteJoin(reason: string): void {
    if (this.#facts.phase === 'dead') return;
    if (this.#facts.phase !== 'preparing') {
      this.#prepare(reason);
    } else if (this.#initial === undefined && this.#members.allJoined) {
      this.#completeJoin();
    }
  }

  #prepare(reason: string): void {
    const from = this.#facts.phase;
    this.#pendingSync.clear();
    this.#syncTimer.cancel();
    this.#retryTimer.cancel();
    this.#enter('preparing');
    this.#runtime.logger?.info('rebalance', { group: this.groupId, reason, generation: this.#facts.generation, from });
    if (from === 'completing') this.#answerSyncs('BROKER_REBALANCE_IN_PROGRESS');
    if (from === 'empty') {
      const delayMs = this.#runtime.settings.groupInitialRebalanceDelayMs;
      this.#initial = { delayMs, remainingMs: Math.max(this.#members.rebalanceTimeoutMs - delayMs, 0), grown: false };
      this.#joinTimer.set(delayMs);
    } else if (this.#members.allJoined) {
      this.#completeJoin();
    } else {
      this.#joinTimer.set(this.#members.rebalanceTimeoutMs);
    }
  }

  #joinTimeout(): void {
    const initial = this.#initial;
    if (initial?.grown === true && initial.remainingMs > 0) {
      initial.grown = false;
      const delayMs = Math.min(initial.delayMs, initial.remainingMs);
      initial.remainingMs -= delayMs;
      this.#joinTimer.set(delayMs);
      return;
    }
    this.#completeJoin();
  }

  #completeJoin(): void {
    this.#initial = undefined;
    this.#joinTimer.cancel();
    for (const member of this.#members.all()) {
      if (!member.awaitsJoin && member.instanceId === null) this.#drop(member);
    }
    if (this.#members.size === 0) return this.#becomeEmpty();
    if (!this.#members.electLeader()) {
      // Static members only, none of them here: they come back, or their sessions end.
      this.#joinTimer.set(this.#members.rebalanceTimeoutMs);
      return;
    }
    this.#nextGeneration();
    this.#facts.protocol = this.#members.electProtocol();
    this.#enter('completing');
    this.#assigning = false;
    this.#storeGeneration();
  }

  #storeGeneration(): void {
    const generation = this.#facts.generation;
    const answers: { member: Member; respond: RespondJoin; answer: JoinAnswer }[] = [];
    for (const member of this.#members.all()) {
      member.assignment = NO_BYTES;
      const respond = member.takeJoin();
      if (respond !== undefined) answers.push({ member, respond, answer: joinedAnswer(this.#facts, member, false) });
      member.isNew = false;
      member.renew();
      this.#pendingSync.add(member.memberId);
    }
    this.#store('completing', (error) => {
      const isCurrent = this.#facts.phase === 'completing' && this.#facts.generation === generation;
      for (const { member, respond, answer } of answers) {
        if (member.session.isSet) member.renew();
        this.#answer(respond, error === undefined ? answer : unavailable(member.memberId));
      }
      if (!isCurrent) return;
      if (error === undefined) this.#syncTimer.set(this.#members.rebalanceTimeoutMs);
      else this.#prepare('the generation could not be stored');
    });
  }

  #becomeEmpty(): void {
    this.#nextGeneration();
    this.#facts.protocol = null;
    this.#enter('empty');
    this.#storeEmpty();
  }

  #storeEmpty(): void {
    if (this.#facts.phase !== 'empty') return;
    const generation = this.#facts.generation;
    this.#emptyUnstored = true;
    this.#store('empty', (error) => {
      if (this.#facts.phase !== 'empty' || this.#facts.generation !== generation) return;
      if (error === undefined) this.#emptyUnstored = false;
      // A stopped journal takes nothing any more; the members we know to be gone expire after the restart.
      else if (error.kind !== 'closed') this.#retryTimer.set(STORE_RETRY_MS);
    });
  }

  // Syncing.

  #synced(member: Member): void {
    this.#pendingSync.delete(member.memberId);
    if (this.#pendingSync.size === 0) this.#syncTimer.cancel();
  }

  #storeAssignment(request: SyncRequest): void {
    const generation = this.#facts.generation;
    const assignments = new Map<string, Uint8Array>();
    for (const { memberId, assignment } of request.assignments) {
      if (this.#members.get(memberId) !== undefined) assignments.set(memberId, new Uint8Array(assignment));
    }
    this.#assigning = true;
    const settled = (error: MillraceError | undefined): void => {
      // Somebody joined or left meanwhile: those who waited were told to join again.
      if (this.#facts.phase !== 'completing' || this.#facts.generation !== generation) return;
      this.#assigning = false;
      if (error !== undefined) {
        this.#answerSyncs('BROKER_COORDINATOR_UNAVAILABLE');
        return this.#prepare('the assignment could not be stored');
      }
      this.#enter('stable');
      this.#runtime.counters.rebalances += 1;
      for (const member of this.#members.all()) {
        member.assignment = assignments.get(member.memberId) ?? NO_BYTES;
        if (member.answerSync(assignmentAnswer(this.#facts, member))) member.renew();
      }
    };
    this.#store('stable', settled, (member) => assignments.get(member.memberId) ?? NO_BYTES);
  }

  #answerSyncs(error: ErrorCode): void {
    for (const member of this.#members.all()) if (member.answerSync({ error })) member.renew();
  }

  #syncTimeout(): void {
    if (this.#facts.phase !== 'completing' && this.#facts.phase !== 'stable') return;
    let dropped = 0;
    for (const memberId of this.#pendingSync) {
      const member = this.#members.get(memberId);
      if (member === undefined) continue;
      this.#drop(member);
      dropped += 1;
    }
    this.#runtime.counters.expiredMembers += dropped;
    if (dropped > 0) this.#prepare('members did not sync in time');
  }

  // Leaving.

  #leaveOne(memberId: string, instanceId: string | null): ErrorCode | undefined {
    if (this.#facts.phase === 'dead') return 'BROKER_COORDINATOR_UNAVAILABLE';
    if (memberId === '') {
      const member = instanceId === null ? undefined : this.#members.byInstance(instanceId);
      if (member === undefined) return 'BROKER_MEMBER_UNKNOWN';
      this.#drop(member);
      return undefined;
    }
    if (this.#members.release(memberId)) return undefined;
    const wrong = this.#members.check(memberId, instanceId);
    if (wrong === undefined) this.#drop(this.#members.get(memberId) as Member);
    return wrong;
  }

  #sessionTimeout(member: Member): void {
    if (this.#members.get(member.memberId) !== member) return;
    // It waits for the journal, not for itself.
    if (this.#storesInFlight > 0) return member.renew();
    // Its session starts anew when it is answered.
    if (!member.isNew && (member.awaitsJoin || member.awaitsSync)) return;
    this.#runtime.counters.expiredMembers += 1;
    this.#runtime.logger?.info('member expired', { group: this.groupId, member: member.memberId });
    this.#drop(member);
    this.#rebalanceOrCompleteJoin('a session ended');
  }

  #forgetReserved(memberId: string): void {
    this.#members.release(memberId);
    if (this.#facts.phase === 'preparing') this.#rebalanceOrCompleteJoin('a reserved id expired');
    this.#runtime.settleDown(this);
  }

  /** What it waits for is answered, so that a client which is still there starts anew. */
  #drop(member: Member): void {
    member.refuseJoin('BROKER_MEMBER_UNKNOWN', '');
    member.answerSync({ error: 'BROKER_MEMBER_UNKNOWN' });
    member.session.cancel();
    this.#pendingSync.delete(member.memberId);
    this.#members.remove(member);
  }

  // Common.

  #enter(phase: GroupPhase): void {
    this.#facts.enter(phase, this.#runtime.now());
  }

  #nextGeneration(): void {
    this.#facts.generation = this.#facts.generation === LAST_GENERATION ? 1 : this.#facts.generation + 1;
    this.#pendingSync.clear();
  }

  #answer<T>(respond: (answer: T) => void, answer: T): void {
    this.#runtime.outbox.push(() => respond(answer));
  }

  #store(
    phase: StoredPhase,
    settled: (error: MillraceError | undefined) => void,
    assignmentOf: (member: Member) => Uint8Array = (member) => member.assignment,
  ): void {
    this.#storesInFlight += 1;
    this.#runtime.store(groupImage(this.#facts, phase, assignmentOf), (error) => {
      this.#storesInFlight -= 1;
      settled(error);
      this.#runtime.settleDown(this);
    });
  }

  /** Runs behind everything this group has staged: what is told of it is durable. */
  #whenStored(tell: () => void, refuse: () => void): void {
    if (this.#storesInFlight === 0) return this.#runtime.outbox.push(tell);
    this.#runtime.barrier((error) => this.#runtime.outbox.push(error === undefined ? tell : refuse));
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
      if (image.phase === 'completing') this.#pendingSync.add(member.memberId);
    }
    this.#members.restoreLeader(image.leaderId);
    if (image.phase === 'completing') this.#syncTimer.set(this.#members.rebalanceTimeoutMs);
  }
}

function unavailable(memberId: string): JoinAnswer {
  return { error: 'BROKER_COORDINATOR_UNAVAILABLE', memberId };
}
