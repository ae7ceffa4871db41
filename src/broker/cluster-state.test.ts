/** Facts of the directory: folded from their commands, the same through a snapshot; unknown versions refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateReader, StateWriter } from '../base/state-bytes.ts';
import { ClusterState, clusterCommands } from './cluster-state.ts';
import { COMMAND } from './state-part.ts';

test('commands fold, and a snapshot restores', () => {
  const state = new ClusterState();
  state.apply(COMMAND.CLUSTER_FORMATTED, clusterCommands.formatted('abc', 17));
  state.apply(COMMAND.PRODUCER_IDS_RESERVED, clusterCommands.producerIdsReserved(3000));
  const writer = new StateWriter();
  state.snapshot(writer);
  const again = new ClusterState();
  again.restore(new StateReader(writer.finish(), 'test'));
  for (const one of [state, again])
    assert.deepEqual([one.clusterId, one.createdAt, one.producerIdsEnd], ['abc', 17, 3000]);
});

test('a body of a newer version, or a cut one, is refused', () => {
  const body = clusterCommands.producerIdsReserved(3000);
  const newer = body.slice();
  newer[0] = 2;
  assert.throws(() => new ClusterState().apply(COMMAND.PRODUCER_IDS_RESERVED, newer), /version 2/);
  assert.throws(() => new ClusterState().apply(COMMAND.PRODUCER_IDS_RESERVED, body.subarray(0, 5)), /cannot be read/);
});
