/** A worker's module is found beside its caller, in the sources and in a published build. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { workerModule } from './worker-module.ts';

test('the ending follows the caller', () => {
  assert.equal(workerModule('file:///a/b/caller.ts', './worker').href, 'file:///a/b/worker.ts');
  assert.equal(workerModule('file:///a/b/caller.js', '../worker').href, 'file:///a/worker.js');
});
