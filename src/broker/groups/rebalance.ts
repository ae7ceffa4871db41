/**
 * A group's phases and generations: gathers JoinGroups, forms a generation, stores it and its assignment. Who comes and
 * goes is group.ts; the diagram of the states stands there.
 */
import type { ErrorCode, MillraceError } from '../../base/errors.ts';
import type { ClassicPhase, JoinAnswer, SyncRequest } from './api.ts';
import type { Deadline } from './deadlines.ts';
import { assignmentAnswer, type GroupFacts, groupImage, joinedAnswer } from './group-facts.ts';
import type { StoredPhase } from './group-image.ts';
import type { GroupRuntime } from './group-runtime.ts';
import { type Member, NO_BYTES, unavailable } from './member.ts';
import type { Membership } from './membership.ts';

/** Kafka's generations are signed 32-bit; the next after the last is the first again. */
const LAST_GENERATION = 0x7fff_ffff;
/** An empty generation that the journal refused (overload) is offered again after this. */
const STORE_RETRY_MS = 1_000;

export class Rebalance {
  readonly #runtime: GroupRuntime;
  readonly #facts: GroupFacts;
  readonly #members: Membership;
  readonly #idle: () => void;
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

  /** @param idle called when something settled, and the group may have nothing left to do. */
  constructor(runtime: GroupRuntime, facts: GroupFacts, idle: () => void) {
    this.#runtime = runtime;
    this.#facts = facts;
    this.#members = facts.members;
    this.#idle = idle;
    this.#joinTimer = runtime.deadline(() => this.#joinTimeout());
    this.#syncTimer = runtime.deadline(() => this.#syncTimeout());
    this.#retryTimer = runtime.deadline(() => this.#storeEmpty());
  }

  /** Something is on its way to the journal. */
  get isStoring(): boolean {
    return this.#storesInFlight > 0;
  }

  /** The journal holds what is true here. */
  get isStored(): boolean {
    return this.#storesInFlight === 0 && !this.#emptyUnstored;
  }

  /** A group that comes back in completing waits for the syncs of everybody. */
  resume(): void {
    if (this.#facts.phase !== 'completing') return;
    for (const member of this.#members.all()) this.#pendingSync.add(member.memberId);
    this.#syncTimer.set(this.#members.rebalanceTimeoutMs);
  }

  die(): void {
    this.#enter('dead');
    for (const timer of [this.#joinTimer, this.#syncTimer, this.#retryTimer]) timer.cancel();
  }

  /** A member that waits came to the first rebalance: there may be more to come. */
  grew(): void {
    if (this.#initial !== undefined) this.#initial.grown = true;
  }

  replaced(oldMemberId: string, newMemberId: string): void {
    if (this.#pendingSync.delete(oldMemberId)) this.#pendingSync.add(newMemberId);
  }

  /** What it waits for is answered, so that a client which is still there starts anew. */
  drop(member: Member): void {
    member.refuseJoin('BROKER_MEMBER_UNKNOWN', '');
    member.answerSync({ error: 'BROKER_MEMBER_UNKNOWN' });
    member.session.cancel();
    this.#pendingSync.delete(member.memberId);
    this.#members.remove(member);
  }

  /** The membership changed, or somebody wants it looked at: begins a rebalance, or ends one that waited for this. */
  trigger(reason: string): void {
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
    this.#runtime.logger?.info('rebalance', {
      group: this.#facts.groupId,
      reason,
      generation: this.#facts.generation,
      from,
    });
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
      if (!member.awaitsJoin && member.instanceId === null) this.drop(member);
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
    const answers: { member: Member; respond: (answer: JoinAnswer) => void; answer: JoinAnswer }[] = [];
    for (const member of this.#members.all()) {
      member.assignment = NO_BYTES;
      const respond = member.takeJoin();
      if (respond !== undefined) answers.push({ member, respond, answer: joinedAnswer(this.#facts, member, false) });
      member.isNew = false;
      member.renew();
      this.#pendingSync.add(member.memberId);
    }
    this.store('completing', (error) => {
      const isCurrent = this.#facts.phase === 'completing' && this.#facts.generation === generation;
      for (const { member, respond, answer } of answers) {
        if (member.session.isSet) member.renew();
        const told = error === undefined ? answer : unavailable(member.memberId);
        this.#runtime.outbox.push(() => respond(told));
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
    this.store('empty', (error) => {
      if (this.#facts.phase !== 'empty' || this.#facts.generation !== generation) return;
      if (error === undefined) this.#emptyUnstored = false;
      // A stopped journal takes nothing any more; the members we know to be gone expire after the restart.
      else if (error.kind !== 'closed') this.#retryTimer.set(STORE_RETRY_MS);
    });
  }

  /** A member has asked for its assignment in this generation. */
  synced(member: Member): void {
    this.#pendingSync.delete(member.memberId);
    if (this.#pendingSync.size === 0) this.#syncTimer.cancel();
  }

  /** The leader's SyncGroup; everybody who waits is answered when it is stored. A repeated one only waits. */
  assign(request: SyncRequest): void {
    if (this.#assigning) return;
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
    this.store('stable', settled, (member) => assignments.get(member.memberId) ?? NO_BYTES);
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
      this.drop(member);
      dropped += 1;
    }
    this.#runtime.counters.expiredMembers += dropped;
    if (dropped > 0) this.#prepare('members did not sync in time');
  }

  #enter(phase: ClassicPhase): void {
    this.#facts.enter(phase, this.#runtime.now());
  }

  #nextGeneration(): void {
    this.#facts.generation = this.#facts.generation === LAST_GENERATION ? 1 : this.#facts.generation + 1;
    this.#pendingSync.clear();
  }

  /** Stores the group as it is, in the phase given. To be called last in a step. */
  store(
    phase: StoredPhase,
    settled: (error: MillraceError | undefined) => void,
    assignmentOf: (member: Member) => Uint8Array = (member) => member.assignment,
  ): void {
    this.#storesInFlight += 1;
    this.#runtime.store(groupImage(this.#facts, phase, assignmentOf), (error) => {
      this.#storesInFlight -= 1;
      settled(error);
      this.#idle();
    });
  }

  /** Runs behind everything this group has staged: what is told of it is durable. */
  whenStored(tell: () => void, refuse: () => void): void {
    if (this.#storesInFlight === 0) return this.#runtime.outbox.push(tell);
    this.#runtime.barrier((error) => this.#runtime.outbox.push(error === undefined ? tell : refuse));
  }
}
