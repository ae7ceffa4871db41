/** Messages name an address once; each back end that goes through the network gives such. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../sdk/index.ts';
import { failureMessage } from './failure-message.ts';

test('an address that is named already is left out of the reason', () => {
  const refused = 'connect ECONNREFUSED 127.0.0.1:1';
  assert.equal(
    failureMessage('No answer from http://127.0.0.1:1', refused),
    'No answer from http://127.0.0.1:1: connect ECONNREFUSED',
  );
  assert.equal(
    failureMessage('No broker answers at 127.0.0.1:1', refused),
    'No broker answers at 127.0.0.1:1: connect ECONNREFUSED',
  );
  for (const what of ['Sending to t', 'At localhost:1', 'At 127.0.0.1:1, 127.0.0.1:2', 'At 127.0.0.1:11']) {
    assert.equal(failureMessage(what, refused), `${what}: ${refused}`);
  }
  assert.equal(failureMessage('At a:1', 'it was closed'), 'At a:1: it was closed');
});

test('whom nobody answers is told the address once, by each back end', { timeout: 60_000 }, async () => {
  for (const uri of ['http://127.0.0.1:2/t', 'kafka://127.0.0.1:2/t']) {
    await assert.rejects(connect(uri), (error: { code: string; message: string }) => {
      assert.equal(error.code, 'CLIENT_NETWORK');
      assert.match(error.message, /127\.0\.0\.1:2: connect ECONNREFUSED$/);
      return true;
    });
  }
  await assert.rejects(connect('redis://127.0.0.1:2/t', { library: { retryStrategy: () => null } }), {
    message: 'Connecting to Redis at 127.0.0.1:2: connect ECONNREFUSED',
  });
});
