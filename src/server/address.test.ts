/** Proves which addresses are understood, and that refusals name the setting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatAddress, listenError, parseAddress } from './address.ts';

test('addresses are parsed and printed back', () => {
  for (const text of ['127.0.0.1:9092', 'localhost:0', '[::1]:65535', 'broker-1.example.org:443']) {
    assert.equal(formatAddress(parseAddress('--kafka', text)), text);
  }
});

test('addresses out of form are refused', () => {
  for (const text of ['', '9092', ':9092', '::1:9092', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:x', 'http://a:1']) {
    assert.throws(() => parseAddress('--kafka', text), { code: 'CONFIG_INVALID', message: /--kafka/ });
  }
});

test('a busy port is named with the option that changes it', () => {
  const error = listenError(
    '--kafka',
    { host: '::1', port: 9092 },
    Object.assign(new Error('listen'), { code: 'EADDRINUSE' }),
  );
  assert.match(error.message, /^\[::1\]:9092 is in use by another program\. Choose another address with --kafka/);
});
