/**
 * Proves that bytes from outside can do no harm to the codec: messages cut at every byte, with bytes changed at random,
 * or made of noise, either decode or throw a MillraceError of the WIRE_ codes, never anything else; and a decoded value
 * never holds more elements than its bytes can carry. It says nothing about meaning: handlers check that.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { arbitraryMessage } from '../../test/kit/arbitrary-message.ts';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import type { Api, Message } from './api.ts';
import { API_KEYS } from './api-keys.ts';
import { APIS } from './apis.ts';
import { decodeRequest } from './decode-request.ts';
import { listGroups } from './messages/list-groups.ts';
import { metadata } from './messages/metadata.ts';
import { produce } from './messages/produce.ts';
import { MAX_ELEMENTS, Reader } from './reader.ts';
import type { Fields } from './schema.ts';
import { Writer } from './writer.ts';

const MUTATIONS_PER_MESSAGE = 60;

function versionsOf(api: Api): number[] {
  return Array.from({ length: api.maxVersion - api.minVersion + 1 }, (_, i) => api.minVersion + i);
}

function encode(message: Message<Fields>, version: number, value: Readonly<Record<string, unknown>>): Buffer {
  const writer = new Writer();
  message.write(writer, version, value);
  return Buffer.from(writer.written());
}

/** Decodes, or checks the refusal; undefined for a refusal. */
function tryRead(message: Message<Fields>, version: number, bytes: Uint8Array): unknown {
  try {
    return message.read(new Reader(bytes), version);
  } catch (error) {
    checkRefusal(error);
    return undefined;
  }
}

function checkRefusal(error: unknown): void {
  assert.ok(error instanceof MillraceError, `not a MillraceError: ${String(error)}`);
  assert.match(error.code, /^WIRE_(TRUNCATED|MALFORMED|UNSUPPORTED_VERSION)$/);
}

/** Array elements, all levels together. */
function countElements(value: unknown): number {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return 0;
  const inner = Object.values(value).reduce<number>((sum, each) => sum + countElements(each), 0);
  return inner + (Array.isArray(value) ? value.length : 0);
}

function eachMessage(visit: (message: Message<Fields>, version: number) => void): void {
  for (const api of APIS as readonly Api[]) {
    for (const version of versionsOf(api)) {
      visit(api.request, version);
      visit(api.response, version);
    }
  }
}

describe('hostile messages', { timeout: 120_000 }, () => {
  it('cut at any byte are refused', () => {
    eachMessage((message, version) => {
      fc.assert(
        fc.property(arbitraryMessage(message.fields, version), (value) => {
          const bytes = encode(message, version, value);
          for (let end = 0; end < bytes.length; end++) {
            assert.equal(
              tryRead(message, version, bytes.subarray(0, end)),
              undefined,
              `cut at ${end} of ${bytes.length}`,
            );
          }
        }),
        { numRuns: 3 },
      );
    });
  });

  it('with bytes changed: decode within the bounds of their size, or are refused', () => {
    const change = fc.record({ at: fc.nat(), to: fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xfe, 0xff) });
    eachMessage((message, version) => {
      const value = arbitraryMessage(message.fields, version);
      const changes = fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), {
        minLength: MUTATIONS_PER_MESSAGE,
        maxLength: MUTATIONS_PER_MESSAGE,
      });
      fc.assert(
        fc.property(value, changes, (original, mutations) => {
          const bytes = encode(message, version, original);
          for (const mutation of mutations) {
            const mutated = Buffer.from(bytes);
            for (const { at, to } of mutation) if (mutated.length > 0) mutated[at % mutated.length] = to;
            const decoded = tryRead(message, version, mutated);
            assert.ok(countElements(decoded) <= mutated.length, 'every element took a byte of the input');
          }
        }),
        { numRuns: 2 },
      );
    });
  });

  it('of noise: decode within bounds, or are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        eachMessage((message, version) => {
          assert.ok(countElements(tryRead(message, version, noise)) <= noise.length);
        });
      }),
      { numRuns: 30 },
    );
  });

  it('whole requests of noise with a plausible key and version', () => {
    const key = fc.constantFrom(...Object.values(API_KEYS), -1, 200, 0x7fff);
    fc.assert(
      fc.property(
        key,
        fc.integer({ min: -2, max: 20 }),
        fc.uint8Array({ maxLength: 200 }),
        (apiKey, version, noise) => {
          const head = Buffer.alloc(4);
          head.writeInt16BE(apiKey, 0);
          head.writeInt16BE(version, 2);
          try {
            decodeRequest(Buffer.concat([head, noise]));
          } catch (error) {
            checkRefusal(error);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

/**
 * Refusal of a message that starts with an array. It comes right behind the count, so no element was read, and none
 * allocated.
 */
function refusalOfCount(message: Message<Fields>, version: number, hex: string): MillraceError {
  const reader = new Reader(Buffer.from(hex, 'hex'));
  try {
    message.read(reader, version);
  } catch (error) {
    assert.ok(error instanceof MillraceError);
    assert.equal(error.details['position'], reader.position);
    return error;
  }
  throw new Error('the message was accepted');
}

describe('huge counts', () => {
  it('are refused before the first element, in both encodings', () => {
    for (const count of ['7fffffff', '00100000', '00000003']) {
      const error = refusalOfCount(metadata.request, 5, `${count}0000`);
      assert.equal(error.code, 'WIRE_TRUNCATED');
      assert.equal(error.details['position'], 4);
      assert.equal(error.details['path'], 'topics');
    }
    const compact = refusalOfCount(metadata.request, 12, 'ffffffff0f0000');
    assert.equal(compact.code, 'WIRE_TRUNCATED');
    assert.equal(compact.details['position'], 5);
  });

  it('count the least size of an element, tags included: 18 bytes a topic in Metadata v12', () => {
    const topic = `${'00'.repeat(16)}0000`;
    assert.equal(refusalOfCount(metadata.request, 12, `03${topic}${topic.slice(2)}`).details['count'], 2);
  });

  it('that are negative, or null where null may not be, are malformed', () => {
    assert.equal(refusalOfCount(metadata.request, 5, 'fffffffe').code, 'WIRE_MALFORMED');
    assert.equal(refusalOfCount(listGroups.request, 4, '00').code, 'WIRE_MALFORMED');
  });

  it('that fit the frame still stop at the budget of elements', () => {
    // ListGroups v4 is a compact array of compact strings: each the single byte 01, an empty string.
    const frame = Buffer.alloc(MAX_ELEMENTS + 1024, 1);
    new Writer(frame).compactArrayLength(MAX_ELEMENTS + 1);
    assert.throws(() => listGroups.request.read(new Reader(frame), 4), {
      code: 'WIRE_MALFORMED',
      message: /array elements/,
    });
  });

  it('of tags end with the bytes', () => {
    const frame = Buffer.from('00ffff00000000ffffffff0f', 'hex');
    assert.throws(() => produce.request.read(new Reader(frame), 11), { code: 'WIRE_TRUNCATED' });
  });
});
