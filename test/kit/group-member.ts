/**
 * One consumer of a group at the level of the wire, of either protocol, for soaks and benchmarks: joins, assigns where it
 * leads, heartbeats, reads what it has, commits. It can be killed, paused and told to leave. As a client should, it stops
 * working on partitions before it says so, and when it finds that it is out.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  consumerGroupHeartbeat,
  type Decoded,
  fetch,
  heartbeat,
  joinGroup,
  leaveGroup,
  offsetCommit,
  offsetFetch,
  syncGroup,
} from '../../src/wire/index.ts';
import { subscription } from './group-transcript.ts';
import { RawClient } from './kafka-kit.ts';

export type GroupProtocol = 'classic' | 'consumer';

export interface GroupMemberOptions {
  readonly port: number;
  readonly group: string;
  readonly name: string;
  readonly protocol: GroupProtocol;
  readonly topic: string;
  readonly topicId: string;
  readonly partitionCount: number;
  readonly sessionMs: number;
  readonly heartbeatMs: number;
  /** Reads and commits with each heartbeat. */
  readonly reads: boolean;
  /** Commits an offset with each heartbeat without having read anything. */
  readonly commits?: boolean;
  /** What it may work on from now on; `epoch` is a generation or a member epoch. */
  readonly owns?: (epoch: number, partitions: ReadonlySet<number>) => void;
  /** Offsets `from` to `to` (exclusive) were processed. */
  readonly processed?: (partition: number, from: number, to: number) => void;
}

const NONE: ReadonlySet<number> = new Set();
const REBALANCE_IN_PROGRESS = 27;
const MEMBER_ID_REQUIRED = 79;
const UNKNOWN_MEMBER = 25;
const ILLEGAL_GENERATION = 22;
const FENCED_EPOCH = 110;
const HEADER_BYTES = 61;

export class GroupMember {
  readonly options: GroupMemberOptions;
  memberId = '';
  epoch = 0;
  owned: ReadonlySet<number> = NONE;
  /** Requests answered with an error that a client does not expect. */
  readonly surprises: string[] = [];
  #client: RawClient | undefined;
  #ended = false;
  #leaving = false;
  #pausedUntil = 0;
  readonly #positions = new Map<number, number>();

  constructor(options: GroupMemberOptions) {
    this.options = options;
    if (options.protocol === 'consumer') this.memberId = options.name;
  }

  get isPaused(): boolean {
    return performance.now() < this.#pausedUntil;
  }

  /** Resolves when it has been killed or has left. Never rejects. */
  async run(): Promise<void> {
    try {
      this.#client = await RawClient.connect(this.options.port);
      while (!this.#ended) {
        if (this.options.protocol === 'classic') await this.#classicGeneration(this.#client);
        else await this.#consumerMembership(this.#client);
      }
    } catch (error) {
      if (!this.#ended) this.surprises.push(String(error));
    }
    this.#own(NONE);
    this.#client?.destroy();
  }

  /** The process is gone: the group learns of it by silence. */
  kill(): void {
    this.#ended = true;
    this.#own(NONE);
    this.#client?.destroy();
  }

  /** Long garbage collection, a suspended machine: silent, then back as if nothing had been. */
  pause(ms: number): void {
    this.#pausedUntil = performance.now() + ms;
  }

  leave(): void {
    this.#leaving = true;
  }

  // The classic protocol.

  async #classicGeneration(client: RawClient): Promise<void> {
    const joined = await this.#join(client);
    if (joined === undefined) return;
    this.epoch = joined.generationId;
    const { group } = this.options;
    const synced = await client.call(syncGroup, 3, {
      groupId: group,
      generationId: this.epoch,
      memberId: this.memberId,
      assignments: joined.members.length === 0 ? [] : this.#assign(joined.members.map(({ memberId }) => memberId)),
    });
    if (synced.errorCode !== 0) return await this.#out(synced.errorCode);
    this.#own(new Set(readAssignment(synced.assignment)));
    await this.#position(client, [...this.owned]);
    for (;;) {
      await this.#idle(this.options.heartbeatMs);
      if (this.#ended) return;
      if (this.#leaving) {
        this.#own(NONE);
        await client.call(leaveGroup, 3, { groupId: group, members: [{ memberId: this.memberId }] });
        this.#ended = true;
        return;
      }
      const beat = { groupId: group, generationId: this.epoch, memberId: this.memberId };
      const { errorCode } = await client.call(heartbeat, 3, beat);
      if (errorCode !== 0) return await this.#out(errorCode);
      if (this.options.reads) await this.#work(client, 8);
      if (this.options.commits === true) await this.#commit(client, 8, this.#firstOwned());
    }
  }

  async #join(client: RawClient) {
    const { group, sessionMs, topic } = this.options;
    const joined = await client.call(joinGroup, 5, {
      groupId: group,
      sessionTimeoutMs: sessionMs,
      rebalanceTimeoutMs: sessionMs,
      memberId: this.memberId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription([topic]) }],
    });
    if (joined.errorCode === 0) {
      this.memberId = joined.memberId;
      return joined;
    }
    if (joined.errorCode === MEMBER_ID_REQUIRED) this.memberId = joined.memberId;
    else await this.#out(joined.errorCode);
    return undefined;
  }

  /** Nothing is worked on from here on; the next round joins again. */
  async #out(errorCode: number): Promise<void> {
    this.#own(NONE);
    if (errorCode === UNKNOWN_MEMBER && this.options.protocol === 'classic') this.memberId = '';
    if (![REBALANCE_IN_PROGRESS, UNKNOWN_MEMBER, ILLEGAL_GENERATION, FENCED_EPOCH].includes(errorCode)) {
      this.surprises.push(`error ${errorCode}`);
      await sleep(100);
    }
  }

  /** Consecutive ranges. */
  #assign(memberIds: readonly string[]) {
    const { topic, partitionCount } = this.options;
    return memberIds.toSorted().map((memberId, i) => {
      const first = Math.floor((i * partitionCount) / memberIds.length);
      const end = Math.floor(((i + 1) * partitionCount) / memberIds.length);
      const partitions = Array.from({ length: end - first }, (_, k) => first + k);
      return { memberId, assignment: writeAssignment(topic, partitions) };
    });
  }

  // The new protocol.

  async #consumerMembership(client: RawClient): Promise<void> {
    const { group, heartbeatMs, topic, topicId, sessionMs } = this.options;
    this.epoch = 0;
    this.#own(NONE);
    for (let says = true, waitMs = 0; !this.#ended; ) {
      await this.#idle(waitMs);
      if (this.#ended) return;
      // Of this request: it may be told to leave while it waits for the answer.
      const leaves = this.#leaving;
      if (leaves) this.#own(NONE);
      const joins = this.epoch === 0;
      const answer: Decoded<typeof consumerGroupHeartbeat.response.fields> = await client.call(
        consumerGroupHeartbeat,
        1,
        {
          groupId: group,
          memberId: this.memberId,
          memberEpoch: leaves ? -1 : this.epoch,
          ...(joins ? { rebalanceTimeoutMs: sessionMs, subscribedTopicNames: [topic] } : {}),
          topicPartitions:
            says || joins ? (this.owned.size > 0 ? [{ topicId, partitions: [...this.owned] }] : []) : null,
        },
      );
      if (leaves) {
        this.#ended = true;
        return;
      }
      if (answer.errorCode !== 0) return await this.#out(answer.errorCode);
      this.epoch = answer.memberEpoch;
      says = answer.assignment !== null;
      if (answer.assignment !== null) {
        const told = new Set(answer.assignment.topicPartitions.flatMap(({ partitions }) => partitions));
        const added = [...told].filter((partition) => !this.owned.has(partition));
        this.#own(told);
        if (added.length > 0) await this.#position(client, added);
      }
      if (this.options.reads) await this.#work(client, 9);
      if (this.options.commits === true) await this.#commit(client, 9, this.#firstOwned());
      // What it gave up it says at once, as clients do.
      waitMs = says ? 0 : Math.min(heartbeatMs, answer.heartbeatIntervalMs);
    }
  }

  // Both.

  #own(partitions: ReadonlySet<number>): void {
    this.owned = partitions;
    this.options.owns?.(this.epoch, partitions);
  }

  async #idle(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms);
    while (this.isPaused && !this.#ended) await sleep(Math.max(1, this.#pausedUntil - performance.now()));
  }

  /** Goes on where the group stands. */
  async #position(client: RawClient, partitionIndexes: readonly number[]): Promise<void> {
    if (!this.options.reads) return;
    const { group: groupId, topic: name } = this.options;
    const groups = [{ groupId, topics: [{ name, partitionIndexes }] }];
    const answer = await client.call(offsetFetch, 8, { groups });
    for (const { partitionIndex, committedOffset } of answer.groups[0]?.topics[0]?.partitions ?? []) {
      this.#positions.set(partitionIndex, Math.max(0, committedOffset));
    }
  }

  async #work(client: RawClient, commitVersion: 8 | 9): Promise<void> {
    const { topic } = this.options;
    if (this.owned.size === 0) return;
    const partitions = Array.from(this.owned, (partition) => ({
      partition,
      fetchOffset: this.#positions.get(partition) ?? 0,
      partitionMaxBytes: 65_536,
    }));
    const { responses } = await client.call(fetch, 11, { maxWaitMs: 0, minBytes: 1, topics: [{ topic, partitions }] });
    const done: { partitionIndex: number; committedOffset: number }[] = [];
    for (const { partitionIndex, records, errorCode } of responses[0]?.partitions ?? []) {
      if (errorCode !== 0) this.surprises.push(`fetch error ${errorCode}`);
      const from = this.#positions.get(partitionIndex) ?? 0;
      const to = endOf(records ?? new Uint8Array(0), from);
      if (to === from) continue;
      this.options.processed?.(partitionIndex, from, to);
      this.#positions.set(partitionIndex, to);
      done.push({ partitionIndex, committedOffset: to });
    }
    // A refusal means that a rebalance was quicker: somebody processes these again.
    if (done.length > 0) await this.#commit(client, commitVersion, done);
  }

  async #commit(
    client: RawClient,
    version: 8 | 9,
    partitions: readonly { readonly partitionIndex: number; readonly committedOffset: number }[],
  ): Promise<void> {
    await client.call(offsetCommit, version, {
      groupId: this.options.group,
      generationIdOrMemberEpoch: this.epoch,
      memberId: this.memberId,
      topics: [{ name: this.options.topic, partitions }],
    });
  }

  /** The first partition, nothing read. */
  #firstOwned(): { readonly partitionIndex: number; readonly committedOffset: number }[] {
    return [...this.owned].slice(0, 1).map((partitionIndex) => ({ partitionIndex, committedOffset: 0 }));
  }
}

/** Offset behind the last whole batch. */
function endOf(records: Uint8Array, from: number): number {
  const bytes = Buffer.from(records.buffer, records.byteOffset, records.length);
  let end = from;
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const next = at + 12 + bytes.readInt32BE(at + 8);
    if (next > bytes.length) break;
    end = Math.max(end, Number(bytes.readBigInt64BE(at)) + bytes.readInt32BE(at + 23) + 1);
    at = next;
  }
  return end;
}

function writeAssignment(topic: string, partitions: readonly number[]): Uint8Array {
  const name = Buffer.from(topic);
  const bytes = Buffer.alloc(6 + 2 + name.length + 4 + partitions.length * 4 + 4);
  let at = bytes.writeInt16BE(0, 0);
  at = bytes.writeInt32BE(1, at);
  at = bytes.writeInt16BE(name.length, at);
  at += name.copy(bytes, at);
  at = bytes.writeInt32BE(partitions.length, at);
  for (const partition of partitions) at = bytes.writeInt32BE(partition, at);
  bytes.writeInt32BE(-1, at);
  return bytes;
}

function readAssignment(assignment: Uint8Array): number[] {
  const bytes = Buffer.from(assignment);
  if (bytes.length < 12) return [];
  const at = 8 + bytes.readInt16BE(6);
  return Array.from({ length: bytes.readInt32BE(at) }, (_, i) => bytes.readInt32BE(at + 4 + i * 4));
}
