/**
 * Proves that the hand-written Fetch path reads and writes, in every version it serves, exactly what the table in
 * messages/fetch.ts says, with large record sets by reference; and that cut or changed requests are refused.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { FETCH_BY_ID_VERSION, FetchCursor, type FetchOutcome, type SliceTarget, writeFetchResponse } from './fetch.ts';
import { fetch, writeResponse } from './index.ts';
import { Writer } from './writer.ts';

const VERSIONS = Array.from({ length: 14 }, (_, i) => i + 4);
const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));

const arbitraryRequest = fc.record({
  maxWaitMs: fc.integer(),
  minBytes: fc.integer(),
  maxBytes: fc.integer(),
  isolationLevel: fc.constantFrom(0, 1),
  sessionId: fc.integer(),
  sessionEpoch: fc.integer(),
  topics: fc.array(
    fc.record({
      topic: fc.string({ maxLength: 200 }),
      topicId: uuid,
      partitions: fc.array(
        fc.record({
          partition: fc.integer(),
          currentLeaderEpoch: fc.integer(),
          fetchOffset: fc.maxSafeInteger(),
          partitionMaxBytes: fc.integer(),
        }),
        { maxLength: 4 },
      ),
    }),
    { maxLength: 4 },
  ),
  rackId: fc.string({ maxLength: 5 }),
});

function walk(bytes: Buffer, version: number) {
  const cursor = new FetchCursor();
  cursor.reset(bytes, 0, bytes.length, version);
  const { maxWaitMs, minBytes, maxBytes, readCommitted, sessionId, sessionEpoch } = cursor;
  const topics: { topic: string; partitions: unknown[] }[] = [];
  while (cursor.next()) {
    const byId = version >= FETCH_BY_ID_VERSION;
    const topic = byId ? cursor.topicId : bytes.toString('utf8', cursor.nameStart, cursor.nameEnd);
    if (cursor.startsTopic) topics.push({ topic, partitions: [] });
    const { partition, currentLeaderEpoch, fetchOffset, partitionMaxBytes } = cursor;
    topics.at(-1)?.partitions.push({ partition, currentLeaderEpoch, fetchOffset, partitionMaxBytes });
  }
  return { maxWaitMs, minBytes, maxBytes, readCommitted, sessionId, sessionEpoch, topics };
}

function encode(version: number, request: Parameters<typeof fetch.request.write>[2]): Buffer {
  const writer = new Writer();
  fetch.request.write(writer, version, request);
  return Buffer.from(writer.written());
}

test('requests of every version read as the table writes them', () => {
  fc.assert(
    fc.property(fc.constantFrom(...VERSIONS), arbitraryRequest, (version, request) => {
      const { isolationLevel, topics, sessionId, sessionEpoch, maxWaitMs, minBytes, maxBytes } = request;
      assert.deepEqual(walk(encode(version, request), version), {
        maxWaitMs,
        minBytes,
        maxBytes,
        readCommitted: isolationLevel === 1,
        sessionId: version >= 7 ? sessionId : 0,
        sessionEpoch: version >= 7 ? sessionEpoch : -1,
        topics: topics
          .filter(({ partitions }) => partitions.length > 0)
          .map(({ topic, topicId, partitions }) => ({
            topic: version >= FETCH_BY_ID_VERSION ? topicId : topic,
            partitions: partitions.map((each) => ({
              ...each,
              currentLeaderEpoch: version >= 9 ? each.currentLeaderEpoch : -1,
            })),
          })),
      });
    }),
  );
});

test('cut or changed requests are refused, never anything else', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...VERSIONS),
      arbitraryRequest,
      fc.nat(),
      fc.nat(255),
      (version, request, place, value) => {
        const bytes = encode(version, request);
        const changed = Buffer.from(bytes);
        changed[place % bytes.length] = value;
        for (const hostile of [bytes.subarray(0, place % bytes.length), changed]) {
          try {
            walk(hostile, version);
          } catch (error) {
            assert.ok(error instanceof MillraceError, String(error));
            assert.match(error.code, /^WIRE_(TRUNCATED|MALFORMED)$/);
          }
        }
      },
    ),
    { numRuns: 400 },
  );
});

/** Puts pieces and slices together, as a socket would send them. */
class Collected implements SliceTarget {
  readonly writer = new Writer();
  readonly slices: Uint8Array[] = [];
  readonly #cuts: { position: number; slice: Uint8Array }[] = [];

  slice(bytes: Uint8Array): void {
    this.slices.push(bytes);
    this.#cuts.push({ position: this.writer.position, slice: bytes });
  }

  all(): Buffer {
    const parts: Uint8Array[] = [];
    let at = 0;
    for (const { position, slice } of this.#cuts) {
      parts.push(this.writer.written().subarray(at, position), slice);
      at = position;
    }
    return Buffer.concat([...parts, this.writer.written().subarray(at)]);
  }
}

const slices = fc.array(
  fc.oneof({ weight: 4, arbitrary: fc.nat(300) }, { weight: 1, arbitrary: fc.integer({ min: 16_000, max: 40_000 }) }),
  { maxLength: 3 },
);

const arbitraryTopics = fc.array(
  fc.record({
    topic: fc.string({ maxLength: 200 }),
    topicId: uuid,
    partitions: fc.array(
      fc.record({
        partitionIndex: fc.integer(),
        errorCode: fc.integer({ min: -1, max: 133 }),
        highWatermark: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
        lastStableOffset: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
        logStartOffset: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
        abortedTransactions: fc.array(
          fc.record({ producerId: fc.nat(), firstOffset: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) }),
          { maxLength: 3 },
        ),
        slices: slices.map((lengths) => lengths.map((length, i) => Buffer.alloc(length, i + 1))),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  }),
  { maxLength: 3 },
);

test('responses of every version are written as the table writes them, large slices by reference', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...VERSIONS),
      fc.integer(),
      fc.boolean(),
      arbitraryTopics,
      (version, correlationId, readCommitted, topics) => {
        const outcomes = topics.flatMap(({ topic, topicId, partitions }) =>
          partitions.map((partition, i): FetchOutcome => {
            const sizeBytes = partition.slices.reduce((sum, { length }) => sum + length, 0);
            return { ...partition, sizeBytes, startsTopic: i === 0, topicName: Buffer.from(topic), topicId };
          }),
        );
        const ours = new Collected();
        writeFetchResponse(ours, version, correlationId, {
          throttleTimeMs: 77,
          errorCode: 70,
          sessionId: 12_345,
          readCommitted,
          outcomes,
        });
        const table = new Writer();
        writeResponse(table, fetch, version, correlationId, {
          throttleTimeMs: 77,
          errorCode: 70,
          ...(version >= 7 ? { sessionId: 12_345 } : {}),
          responses: topics.map(({ topic, topicId, partitions }) => ({
            topic,
            topicId,
            partitions: partitions.map(({ slices: pieces, ...rest }) => ({
              ...rest,
              abortedTransactions: readCommitted ? rest.abortedTransactions : null,
              records: Buffer.concat(pieces),
            })),
          })),
        });
        assert.ok(ours.all().equals(table.written()));
        const large = outcomes.flatMap((outcome) => outcome.slices).filter(({ length }) => length >= 16 * 1024);
        assert.deepEqual(ours.slices.length, large.length);
        for (const [index, slice] of large.entries())
          assert.equal(ours.slices[index], slice, 'the same bytes, not a copy');
      },
    ),
    { numRuns: 150 },
  );
});
