/** The worked examples in docs/formats.md are real: they decode to what the text beside them says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { StateReader } from '../../src/base/state-bytes.ts';
import { BrokerState } from '../../src/broker/broker-state.ts';
import { ClusterState } from '../../src/broker/cluster-state.ts';
import { GroupState } from '../../src/broker/groups/group-state.ts';
import { DEFAULT_BROKER_SETTINGS } from '../../src/broker/settings.ts';
import { CHECKPOINT_SECTION, COMMAND } from '../../src/broker/state-part.ts';
import { TopicsState } from '../../src/broker/topics-state.ts';
import { decodeCheckpoint } from '../../src/store/checkpoint-file.ts';
import { decodeRow, INDEX_HEADER_BYTES, INDEX_ROW_BYTES, indexFault } from '../../src/store/index-file.ts';
import { LogStore } from '../../src/store/log-store.ts';

const DOCUMENT = readFileSync(new URL('../../docs/formats.md', import.meta.url), 'utf8');

/** The first code block below a heading. */
function blockOf(heading: string): string {
  const start = DOCUMENT.indexOf(`\n${heading}\n`);
  assert.ok(start >= 0, `docs/formats.md has '${heading}'`);
  const open = DOCUMENT.indexOf('```\n', start) + 4;
  return DOCUMENT.slice(open, DOCUMENT.indexOf('\n```', open));
}

/** Bytes of `0000  4d 52 ..  words` lines; each line's position must be right. */
function dumped(block: string): Buffer {
  const parts: Buffer[] = [];
  let position = 0;
  for (const line of block.split('\n')) {
    const match = /^([0-9a-f]{4}) {2}((?:[0-9a-f]{2} ?)+?)(?: {2,}.*)?$/.exec(line);
    assert.ok(match?.[1] !== undefined && match[2] !== undefined, `a line of a dump: ${line}`);
    assert.equal(Number.parseInt(match[1], 16), position, line);
    const bytes = Buffer.from(match[2].replaceAll(' ', ''), 'hex');
    parts.push(bytes);
    position += bytes.length;
  }
  return Buffer.concat(parts);
}

test('the index', () => {
  const bytes = dumped(blockOf('### Worked example of an index'));
  assert.equal(indexFault(bytes, 3), undefined);
  const rows = [0, 1, 2].map((row) => decodeRow(bytes, INDEX_HEADER_BYTES + row * INDEX_ROW_BYTES));
  assert.deepEqual(
    rows.map(({ baseOffset, position, maxTimestamp }) => [baseOffset, position, maxTimestamp]),
    [
      [5, 218, 1_700_000_000_000],
      [100, 128, 1_700_000_000_123],
      [101, 500, 1_700_000_000_001],
    ],
  );
});

test('the order file', () => {
  const bytes = dumped(blockOf('### Worked example of an order file'));
  const golden = readFileSync(new URL('../golden/order/version-1.hex', import.meta.url), 'utf8').replaceAll(/\s/g, '');
  assert.equal(bytes.toString('hex'), golden);
});

test('the chunk', () => {
  const bytes = dumped(blockOf('### Worked example of a chunk'));
  const golden = readFileSync(new URL('../golden/chunk/version-1.hex', import.meta.url), 'utf8').replaceAll(/\s/g, '');
  assert.equal(bytes.toString('hex'), golden);
});

test('the checkpoint', () => {
  const { file, commit, commitChecksum, sections } = decodeCheckpoint(
    dumped(blockOf('### Worked example of a checkpoint')),
    'docs/formats.md',
  );
  assert.deepEqual([file, commit, commitChecksum], [1, 9, 0x0badcafe]);
  const store = new LogStore();
  const cluster = new ClusterState();
  const topics = new TopicsState(store, DEFAULT_BROKER_SETTINGS, () => undefined);
  const groups = new GroupState();
  const restore = (id: number, into: (reader: StateReader) => void): void => {
    const reader = new StateReader(sections.get(id) ?? new Uint8Array(0), `section ${id}`);
    into(reader);
    assert.ok(reader.atEnd);
  };
  restore(CHECKPOINT_SECTION.CLUSTER, (reader) => cluster.restore(reader));
  restore(CHECKPOINT_SECTION.PARTITIONS, (reader) => store.restoreFirstPartitions(reader));
  restore(CHECKPOINT_SECTION.TOPICS, (reader) => topics.restore(reader));
  restore(CHECKPOINT_SECTION.PRODUCERS, (reader) => store.restoreProducers(reader));
  restore(CHECKPOINT_SECTION.GROUPS, (reader) => groups.restore(reader));
  assert.deepEqual([cluster.clusterId, cluster.producerIdsEnd], ['c2VlZHMtYW5kLXN0b25lcw', 1000]);
  const topic = topics.find('food.eggs');
  assert.deepEqual([topic?.id, topic?.limits.maxBatchBytes], ['00112233445566778899aabbccddeeff', 500]);
  const [first, second] = topic?.partitions ?? [];
  assert.deepEqual([first?.logStartOffset, first?.endOffset, first?.producers?.size], [2, 5, 1]);
  assert.equal(first?.ranges?.at(0).maxTimestamp, 1_700_000_000_123);
  assert.deepEqual([second?.endOffset, second?.ranges, groups.size], [0, undefined, 0]);
});

test('the state commands', () => {
  const state = new BrokerState(DEFAULT_BROKER_SETTINGS);
  const types = new Map<string, number>(Object.entries(COMMAND));
  const seen: string[] = [];
  for (const [i, line] of blockOf('### Worked example of state commands').split('\n').entries()) {
    const [name = '', type = '', body = ''] = line.split(/ +/);
    assert.equal(types.get(name), Number(type), line);
    if (name === 'RECORDS_DELETED') {
      const partition = state.store.partition(0);
      assert.ok(partition);
      partition.endOffset = 5;
      partition.highWatermark = 5;
    }
    if (name === 'GROUP_DELETED') assert.equal(state.groups.size, 1);
    if (name === 'TOPIC_DELETED') {
      const topic = state.topics.find('food.eggs');
      assert.deepEqual(
        [topic?.partitions.length, topic?.limits.maxBatchBytes, topic?.partitions[0]?.logStartOffset],
        [2, 500, 2],
      );
    }
    state.command(Number(type), Buffer.from(body, 'hex'), i + 1);
    seen.push(name);
  }
  assert.deepEqual([state.topics.size, state.groups.size, state.cluster.producerIdsEnd], [0, 0, 1000]);
  for (const name of seen)
    assert.match(DOCUMENT, new RegExp(`\\| ${types.get(name)} \\| ${name} \\|`), 'its row stands in the table');
});
