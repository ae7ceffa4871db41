/**
 * How fast the codec reads and writes: messages a second on one thread, no sockets.
 *
 * Workload: a Heartbeat v4 (3 short strings), an OffsetCommit v8 (2 topics of 4 partitions), a Metadata v12 response
 * (3 brokers, 20 topics of 3 partitions), each decoded from and encoded into memory that is used again; and one
 * Metadata response of 100,000 topics. Takes about 10 seconds. Run: `node bench/wire.ts`.
 */

import {
  heartbeat,
  MAX_RESPONSE_ELEMENTS,
  type MetadataResponse,
  metadata,
  offsetCommit,
  Reader,
  Writer,
} from '../src/wire/index.ts';

const SECONDS = 1;

interface Row {
  readonly what: string;
  readonly bytes: number;
  readonly perSecond: number;
}

/** Runs for a second after a warm-up; `run` does one message. */
function measure(what: string, bytes: number, run: () => void): Row {
  const batch = bytes > 100_000 ? 1 : 100;
  for (const start = performance.now(); performance.now() - start < 300; ) run();
  let count = 0;
  const start = performance.now();
  let elapsedMs = 0;
  while (elapsedMs < SECONDS * 1000) {
    for (let i = 0; i < batch; i++) run();
    count += batch;
    elapsedMs = performance.now() - start;
  }
  return { what, bytes, perSecond: (count * 1000) / elapsedMs };
}

const heartbeatRequest = {
  groupId: 'orders-workers',
  generationId: 7,
  memberId: 'orders-worker-3-6f1c',
  groupInstanceId: null,
};

const commitRequest = {
  groupId: 'orders-workers',
  generationIdOrMemberEpoch: 7,
  memberId: 'orders-worker-3-6f1c',
  topics: ['orders.created', 'orders.paid'].map((name) => ({
    name,
    partitions: [0, 1, 2, 3].map((partitionIndex) => ({ partitionIndex, committedOffset: 1_234_567 + partitionIndex })),
  })),
};

function metadataResponse(topicCount: number): MetadataResponse {
  const partitions = [0, 1, 2].map((partitionIndex) => ({
    errorCode: 0,
    partitionIndex,
    leaderId: 1,
    leaderEpoch: 3,
    replicaNodes: [1, 2, 3],
    isrNodes: [1, 2, 3],
  }));
  return {
    brokers: [1, 2, 3].map((nodeId) => ({ nodeId, host: '127.0.0.1', port: 9092 })),
    clusterId: 'bench',
    controllerId: 1,
    topics: Array.from({ length: topicCount }, (_, i) => ({
      errorCode: 0,
      name: `bench.topic-${i}`,
      topicId: i.toString(16).padStart(32, '0'),
      partitions,
    })),
  };
}

const writer = new Writer(64 * 1024);
const reader = new Reader(Buffer.alloc(0), 0, 0, MAX_RESPONSE_ELEMENTS);
const rows: Row[] = [];

function both(name: string, write: () => void, read: () => unknown): void {
  writer.reset();
  write();
  const bytes = Buffer.from(writer.written());
  rows.push(
    measure(`${name} encode`, bytes.length, () => {
      writer.reset();
      write();
    }),
  );
  rows.push(
    measure(`${name} decode`, bytes.length, () => {
      reader.reset(bytes);
      read();
    }),
  );
}

both(
  'Heartbeat request v4',
  () => heartbeat.request.write(writer, 4, heartbeatRequest),
  () => heartbeat.request.read(reader, 4),
);
both(
  'OffsetCommit request v8',
  () => offsetCommit.request.write(writer, 8, commitRequest),
  () => offsetCommit.request.read(reader, 8),
);
const small = metadataResponse(20);
both(
  'Metadata response v12, 20 topics',
  () => metadata.response.write(writer, 12, small),
  () => metadata.response.read(reader, 12),
);
const large = metadataResponse(100_000);
both(
  'Metadata response v12, 100,000 topics',
  () => metadata.response.write(writer, 12, large),
  () => metadata.response.read(reader, 12),
);

console.table(
  rows.map(({ what, bytes, perSecond }) => ({
    what,
    'bytes each': bytes,
    'per second': perSecond < 100 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString('en'),
    'MB/s': Math.round((perSecond * bytes) / 1e6),
  })),
);
