/**
 * Proves, for every API and version that has a table: what is written is read back equal, both messages, with values
 * generated from the table; the writer fills exactly what the reader consumes; headers and frames fit around it. It
 * cannot prove that the layouts are Kafka's: the oracle tests and the golden frames do.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { arbitraryMessage, type MessageValue, plain } from '../../test/kit/arbitrary-message.ts';
import * as fc from '../../test/kit/properties.ts';
import { type Api, type Message, NEVER } from './api.ts';
import { API_KEYS } from './api-keys.ts';
import { APIS, apiOf, hasVersion } from './apis.ts';
import { decodeResponse, encodeRequest, encodeResponse, writeResponse } from './codec.ts';
import { decodeRequest } from './decode-request.ts';
import { type HeartbeatRequest, type HeartbeatResponse, heartbeat } from './messages/heartbeat.ts';
import { type MetadataResponse, metadata } from './messages/metadata.ts';
import { offsetFetch } from './messages/offset-fetch.ts';
import { produce } from './messages/produce.ts';
import { Reader } from './reader.ts';
import type { Fields } from './schema.ts';
import { Writer } from './writer.ts';

const RUNS = 40;

function checkRoundTrip(message: Message<Fields>, version: number): void {
  fc.assert(
    fc.property(arbitraryMessage(message.fields, version), (value) => {
      const writer = new Writer(8);
      writer.int32(0x5eed);
      message.write(writer, version, value);
      const reader = new Reader(writer.written(), 4);
      const read = message.read(reader, version);
      assert.deepEqual(plain(read), plain(value));
      assert.equal(reader.remaining, 0, 'the reader stops where the writer stopped');
    }),
    { numRuns: RUNS },
  );
}

function versionsOf(api: Api): number[] {
  return Array.from({ length: api.maxVersion - api.minVersion + 1 }, (_, i) => api.minVersion + i);
}

describe('message tables', { timeout: 120_000 }, () => {
  for (const api of APIS as readonly Api[]) {
    it(`${api.name} ${api.minVersion}-${api.maxVersion} round trips`, () => {
      for (const version of versionsOf(api)) {
        checkRoundTrip(api.request, version);
        checkRoundTrip(api.response, version);
      }
    });
  }

  it('agree with the list of keys, each key once', () => {
    assert.equal(new Set(APIS.map((api) => api.key)).size, APIS.length);
    for (const api of APIS) {
      assert.equal(API_KEYS[api.name], api.key);
      assert.equal(apiOf(api.key), api);
      assert.ok(api.flexible === NEVER || hasVersion(api, api.flexible) || api.flexible < api.minVersion);
    }
    assert.equal(apiOf(9999), undefined);
    assert.equal(apiOf(-1), undefined);
  });

  it('number their tags from 0, without gaps, never reused', () => {
    const check = (fields: Fields): void => {
      const tags = Object.values(fields).flatMap((field) => (field.tag === undefined ? [] : [field.tag]));
      assert.deepEqual(
        tags.toSorted((a, b) => a - b),
        tags.map((_, i) => i),
      );
      for (const { type } of Object.values(fields)) {
        const inner = type.kind === 'array' ? type.element : type;
        if (inner.kind === 'struct') check(inner.fields);
      }
    };
    for (const api of APIS as readonly Api[]) {
      check(api.request.fields);
      check(api.response.fields);
    }
  });
});

function checkRequestFrame(
  api: Api,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: MessageValue,
): void {
  const frame = encodeRequest(api, version, { correlationId, clientId }, body);
  assert.equal(frame.readInt32BE(0), frame.length - 4);
  const decoded = decodeRequest(frame.subarray(4));
  assert.equal(decoded.name, api.name);
  assert.deepEqual(decoded.header, { apiKey: api.key, apiVersion: version, correlationId, clientId });
  assert.deepEqual(plain(decoded.body), plain(body));
}

describe('whole messages', { timeout: 60_000 }, () => {
  it('frames carry size, header and body in every version', () => {
    for (const api of APIS as readonly Api[]) {
      for (const version of versionsOf(api)) {
        const clientId = fc.option(fc.string());
        const request = arbitraryMessage(api.request.fields, version);
        const response = arbitraryMessage(api.response.fields, version);
        fc.assert(
          fc.property(fc.integer(), clientId, request, response, (correlationId, client, question, answer) => {
            checkRequestFrame(api, version, correlationId, client, question);
            const frame = encodeResponse(api, version, correlationId, answer);
            assert.equal(frame.readInt32BE(0), frame.length - 4);
            const decoded = decodeResponse(api, version, frame.subarray(4));
            assert.equal(decoded.correlationId, correlationId);
            assert.deepEqual(plain(decoded.body), plain(answer));
          }),
          { numRuns: 3 },
        );
      }
    }
  });

  it('several responses share a writer, and one that fails leaves no trace', () => {
    const writer = new Writer(4);
    writeResponse(writer, heartbeat, 4, 1, { errorCode: 0 });
    const before = Buffer.from(writer.written());
    assert.throws(() => writeResponse(writer, metadata, 5, 2, nullTopicName()), { code: 'WIRE_UNSUPPORTED_VERSION' });
    assert.deepEqual(Buffer.from(writer.written()), before);
    writeResponse(writer, heartbeat, 0, 3, { errorCode: 27 });
    const second = writer.written(before.length);
    assert.deepEqual(decodeResponse(heartbeat, 0, second.subarray(4)), {
      correlationId: 3,
      body: { throttleTimeMs: 0, errorCode: 27 },
    });
  });

  it('surplus bytes after a request are ignored, as librdkafka needs for Metadata v9 and later', () => {
    const frame = encodeRequest(metadata, 9, { correlationId: 1 }, { topics: null });
    const decoded = decodeRequest(Buffer.concat([frame.subarray(4), Buffer.alloc(3)]));
    assert.equal(decoded.name, 'Metadata');
    assert.equal(decoded.body.topics, null);
  });

  it('encoded frames are owned: a later one does not change an earlier one', () => {
    const first = encodeResponse(heartbeat, 4, 1, { errorCode: 1 });
    const copy = Buffer.from(first);
    encodeResponse(heartbeat, 4, 2, { errorCode: 2 });
    assert.deepEqual(first, copy);
  });

  it('a Metadata response of 100,000 topics grows its buffer by doubling only', () => {
    const partition = { errorCode: 0, partitionIndex: 0, leaderId: 1, replicaNodes: [1], isrNodes: [1] };
    const topics = Array.from({ length: 100_000 }, (_, i) => ({
      errorCode: 0,
      name: `topic-${i}`,
      partitions: [partition],
    }));
    const body: MetadataResponse = { brokers: [{ nodeId: 1, host: '127.0.0.1', port: 9092 }], topics };
    const frame = encodeResponse(metadata, 12, 1, body);
    assert.ok(frame.buffer.byteLength <= 2 * frame.length + 64 * 1024);
    const decoded = decodeResponse(metadata, 12, frame.subarray(4));
    assert.equal(decoded.body.topics.length, 100_000);
    assert.equal(decoded.body.topics[99_999]?.name, 'topic-99999');
  });
});

function nullTopicName(): MetadataResponse {
  return { brokers: [], topics: [{ errorCode: 3, name: null, partitions: [] }] };
}

describe('values that do not fit', () => {
  const ask = { groupId: 'g', generationId: 1, memberId: 'm' };

  it('a version out of range is refused, read or written', () => {
    const expected = { code: 'WIRE_UNSUPPORTED_VERSION', message: /Heartbeat request: version 5 is not among 0 to 4/ };
    assert.throws(() => heartbeat.request.read(new Reader(Buffer.alloc(9)), 5), expected);
    assert.throws(() => heartbeat.request.write(new Writer(), 5, ask), expected);
    assert.throws(() => heartbeat.request.read(new Reader(Buffer.alloc(9)), -1), { code: 'WIRE_UNSUPPORTED_VERSION' });
    assert.throws(() => heartbeat.request.read(new Reader(Buffer.alloc(9)), 1.5), { code: 'WIRE_UNSUPPORTED_VERSION' });
  });

  it('a value that an old version would lose is refused where losing it changes the meaning', () => {
    heartbeat.request.write(new Writer(), 2, { ...ask, groupInstanceId: null });
    assert.throws(() => heartbeat.request.write(new Writer(), 2, { ...ask, groupInstanceId: 'i' }), {
      code: 'WIRE_UNSUPPORTED_VERSION',
      message: /^Heartbeat request v2, field groupInstanceId: /,
    });
    heartbeat.response.write(new Writer(), 0, { errorCode: 0, throttleTimeMs: 5 });
  });

  it('null is refused in versions that cannot say it, with the path', () => {
    assert.throws(() => metadata.response.write(new Writer(), 11, nullTopicName()), {
      code: 'WIRE_UNSUPPORTED_VERSION',
      message: /field topics\[0\]\.name: .* from version 12 on, not in 11/,
    });
    metadata.response.write(new Writer(), 12, nullTopicName());
  });

  it('a missing or null required field is misuse: a TypeError with the path', () => {
    const partial = { errorCode: undefined } as unknown as HeartbeatResponse;
    assert.throws(() => heartbeat.response.write(new Writer(), 4, partial), {
      name: 'TypeError',
      message: 'Heartbeat response v4, field errorCode: A required field is missing.',
    });
    const nulled = { ...ask, memberId: null } as unknown as HeartbeatRequest;
    assert.throws(() => heartbeat.request.write(new Writer(), 4, nulled), { name: 'TypeError', message: /memberId/ });
  });

  it('reading names api, version, path and position', () => {
    const frame = encodeRequest(
      offsetFetch,
      8,
      { correlationId: 1 },
      {
        groups: [{ groupId: 'g', topics: [{ name: 't', partitionIndexes: [1, 2] }] }],
      },
    );
    assert.throws(() => decodeRequest(frame.subarray(4, frame.length - 6)), {
      code: 'WIRE_TRUNCATED',
      message: /^OffsetFetch request v8, field groups\[0\]\.topics\[0\]\.partitionIndexes/,
    });
    const error = caught(() => decodeRequest(frame.subarray(4, frame.length - 6))) as {
      details: Record<string, unknown>;
    };
    assert.equal(error.details['path'], 'groups[0].topics[0].partitionIndexes');
    assert.equal(error.details['version'], 8);
    assert.equal(typeof error.details['position'], 'number');
  });
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** A Produce response whose one tagged field announces `size` bytes before its four real ones. */
function withNodeEndpointsTag(size: number): Reader {
  const writer = new Writer();
  produce.response.write(writer, 10, { responses: [] });
  writer.position -= 1;
  for (const byte of [1, 0, size, 1, 0, 0, 0, 0]) writer.int8(byte);
  return new Reader(writer.written());
}

describe('tag sections', () => {
  it('unknown tags are skipped, known ones found among them in any order', () => {
    const writer = new Writer();
    produce.response.write(writer, 10, { responses: [] });
    // Everything but the final tag count, then: tag 7 unknown, tag 0 node endpoints, empty.
    writer.position -= 1;
    for (const byte of [2, 7, 3, 0xaa, 0xbb, 0xcc, 0, 1, 1]) writer.int8(byte);
    const reader = new Reader(writer.written());
    assert.deepEqual(produce.response.read(reader, 10).nodeEndpoints, []);
    assert.equal(reader.remaining, 0);
  });

  it('a tagged value may not reach past its announced size; what it leaves of that is skipped', () => {
    assert.deepEqual(produce.response.read(withNodeEndpointsTag(4), 10).nodeEndpoints, []);
    assert.throws(() => produce.response.read(withNodeEndpointsTag(0), 10), {
      code: 'WIRE_TRUNCATED',
      message: /field nodeEndpoints/,
    });
  });
});

type Equal<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

describe('types', () => {
  it('follow from the table', () => {
    const reads: Equal<
      HeartbeatRequest,
      {
        readonly groupId: string;
        readonly generationId: number;
        readonly memberId: string;
        readonly groupInstanceId: string | null;
      }
    > = true;
    const answer: HeartbeatResponse = { errorCode: 0 };
    // @ts-expect-error errorCode has no default in the table, so it may not be left out.
    const missing: HeartbeatResponse = { throttleTimeMs: 1 };
    assert.ok(reads && answer && missing);
  });
});
