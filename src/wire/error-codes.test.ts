/**
 * Proves that the codes, names and retriable flags are those that @platformatic/kafka and kafkajs use for the codes they
 * know.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import { protocolErrors } from '@platformatic/kafka';
import { ERROR_CODES, errorName, isRetriable } from './error-codes.ts';

describe('error codes', () => {
  it('agree with @platformatic/kafka', () => {
    for (const { id, code, canRetry } of Object.values(protocolErrors)) {
      assert.equal(errorName(code), id);
      assert.equal(isRetriable(code), canRetry, id);
    }
  });

  it('agree with kafkajs by code; some of its names are older', () => {
    const { errorCodes } = createRequire(import.meta.url)('kafkajs/src/protocol/error.js') as {
      errorCodes: readonly { type: string; code: number; retriable: boolean }[];
    };
    assert.ok(errorCodes.length > 50);
    for (const { code, retriable } of errorCodes) assert.equal(isRetriable(code), retriable, errorName(code));
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
