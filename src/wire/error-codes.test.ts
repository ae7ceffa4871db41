/**
 * Proves that the codes, names and retriable flags are those that @platformatic/kafka and kafkajs use for the codes they
 * know.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { protocolErrors } from '@platformatic/kafka';
import { ERROR_CODES, errorName, isRetriable } from './error-codes.ts';

/** kafkajs's own verdicts where it differs from Kafka's clients (it restarts its consumer on these, or gives up). */
const KAFKAJS_DIFFERS: ReadonlySet<number> = new Set([
  ERROR_CODES.ILLEGAL_GENERATION,
  ERROR_CODES.UNKNOWN_MEMBER_ID,
  ERROR_CODES.REBALANCE_IN_PROGRESS,
]);

describe('error codes', () => {
  it('agree with @platformatic/kafka', () => {
    for (const { id, code, canRetry } of Object.values(protocolErrors)) {
      assert.equal(errorName(code), id);
      assert.equal(isRetriable(code), canRetry, id);
    }
  });

  it('agree with kafkajs by code', () => {
    const { errorCodes } = createRequire(import.meta.url)('kafkajs/src/protocol/error.js') as {
      errorCodes: readonly { type: string; code: number; retriable: boolean }[];
    };
    assert.ok(errorCodes.length > 50);
    for (const { code, retriable } of errorCodes) {
      if (!KAFKAJS_DIFFERS.has(code)) assert.equal(isRetriable(code), retriable, errorName(code));
    }
  });

  it('run from -1 without gaps, and unknown ones have a name too', () => {
    const codes = Object.values(ERROR_CODES).toSorted((a, b) => a - b);
    assert.deepEqual(
      codes,
      codes.map((_, i) => i - 1),
    );
    assert.equal(errorName(9999), 'UNKNOWN_9999');
    assert.equal(isRetriable(9999), false);
  });
});
