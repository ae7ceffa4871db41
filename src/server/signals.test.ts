/** Proves the two steps of an end by signal, without real signals (test/server has those). */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { silentLogger as logger } from '../base/logger.ts';
import { closeOnSignal } from './signals.ts';

class Source extends EventEmitter {
  readonly exitCodes: number[] = [];
  exit(code: number): void {
    this.exitCodes.push(code);
  }
}

test('the first signal closes and lets go of the handlers', { timeout: 5000 }, async () => {
  const source = new Source();
  let closed = 0;
  const done = closeOnSignal({ close: async () => void closed++ }, logger, source);
  source.emit('SIGTERM', 'SIGTERM');
  await done;
  assert.equal(closed, 1);
  assert.deepEqual(source.exitCodes, []);
  assert.equal(source.listenerCount('SIGINT'), 0);
});

test('a second signal while closing ends the process at once', { timeout: 5000 }, async () => {
  const source = new Source();
  const closing = Promise.withResolvers<void>();
  const done = closeOnSignal({ close: () => closing.promise }, logger, source);
  source.emit('SIGTERM', 'SIGTERM');
  await Promise.resolve();
  source.emit('SIGINT', 'SIGINT');
  assert.deepEqual(source.exitCodes, [130]);
  closing.resolve();
  await done;
});

test('a failure to close reaches the caller', { timeout: 5000 }, async () => {
  const source = new Source();
  const done = closeOnSignal({ close: () => Promise.reject(new Error('disk')) }, logger, source);
  source.emit('SIGTERM', 'SIGTERM');
  await assert.rejects(done, /disk/);
});
