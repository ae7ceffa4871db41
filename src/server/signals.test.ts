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
  const done = closeOnSignal(Promise.resolve({ close: async () => void closed++ }), logger, source);
  source.emit('SIGTERM', 'SIGTERM');
  await done;
  assert.equal(closed, 1);
  assert.deepEqual(source.exitCodes, []);
  assert.equal(source.listenerCount('SIGINT'), 0);
});

test('a second signal while closing ends the process at once', { timeout: 5000 }, async () => {
  const source = new Source();
  const closing = Promise.withResolvers<void>();
  const done = closeOnSignal(Promise.resolve({ close: () => closing.promise }), logger, source);
  source.emit('SIGTERM', 'SIGTERM');
  await Promise.resolve();
  source.emit('SIGINT', 'SIGINT');
  assert.deepEqual(source.exitCodes, [130]);
  closing.resolve();
  await done;
});

test('a failure to close reaches the caller', { timeout: 5000 }, async () => {
  const source = new Source();
  const done = closeOnSignal(Promise.resolve({ close: () => Promise.reject(new Error('disk')) }), logger, source);
  source.emit('SIGTERM', 'SIGTERM');
  await assert.rejects(done, /disk/);
});

// The handlers once came after the start: a signal right behind `ready` in the log ended the process without closing.
test('a signal during the start closes once it is over', { timeout: 5000 }, async () => {
  const source = new Source();
  const starting = Promise.withResolvers<{ close(): Promise<void> }>();
  let closed = 0;
  const done = closeOnSignal(starting.promise, logger, source);
  source.emit('SIGTERM', 'SIGTERM');
  assert.deepEqual(source.exitCodes, []);
  starting.resolve({ close: async () => void closed++ });
  await done;
  assert.equal(closed, 1);
});

test('a start that fails lets go of the handlers', { timeout: 5000 }, async () => {
  const source = new Source();
  await assert.rejects(closeOnSignal(Promise.reject(new Error('in use')), logger, source), /in use/);
  assert.equal(source.listenerCount('SIGTERM'), 0);
});
