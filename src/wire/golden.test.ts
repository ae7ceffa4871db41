/**
 * Proves that the requests which real clients sent (test/golden/kafka) decode, and encode to the same bytes again. The
 * clients also understood the responses of this codec while the frames were captured; that is not repeated here.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Api } from './api.ts';
import { encodeRequest } from './codec.ts';
import { decodeRequest } from './decode-request.ts';

const FOLDER = new URL('../../test/golden/kafka/', import.meta.url);

function load(file: string): ReadonlyMap<string, Buffer> {
  const frames = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Record<string, string>;
  return new Map(Object.entries(frames).map(([name, hex]) => [name, Buffer.from(hex, 'hex')]));
}

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.json'))) {
  describe(`requests of ${file.replace('.json', '')}`, { timeout: 60_000 }, () => {
    for (const [name, message] of load(file)) {
      it(`${name} decodes, and encodes to the same bytes`, () => {
        const { name: apiName, api, header, body } = decodeRequest(message);
        assert.equal(`${apiName} v${header.apiVersion}`, name);
        const encoded = encodeRequest(api as Api, header.apiVersion, header, body);
        assert.equal(encoded.toString('hex', 4), message.toString('hex'));
      });
    }
  });
}

function decode(file: string, name: string): ReturnType<typeof decodeRequest> {
  const message = load(file).get(name);
  assert.ok(message !== undefined, `${file} has no ${name}`);
  return decodeRequest(message);
}

describe('what the golden requests say', { timeout: 60_000 }, () => {
  it('kcat commits the offset behind the two records it read', () => {
    const request = decode('kcat-1.7.1.json', 'OffsetCommit v7');
    assert.equal(request.name, 'OffsetCommit');
    assert.equal(request.header.clientId, 'golden-kcat');
    assert.equal(request.body.groupId, 'g1');
    assert.equal(request.body.memberId, 'm-1');
    assert.equal(request.body.groupInstanceId, null);
    assert.deepEqual(
      request.body.topics.map((topic) => topic.name),
      ['t1'],
    );
  });

  it('kafkajs creates a topic with one setting', () => {
    const request = decode('kafkajs-2.2.4.json', 'CreateTopics v3');
    assert.equal(request.name, 'CreateTopics');
    assert.deepEqual(request.body.topics, [
      {
        name: 't1',
        numPartitions: 1,
        replicationFactor: -1,
        assignments: [],
        configs: [{ name: 'retention.ms', value: '1000' }],
      },
    ]);
  });

  it('@platformatic/kafka fetches by topic id and joins with a reason', () => {
    const fetched = decode('platformatic-2.12.1.json', 'Fetch v17');
    assert.equal(fetched.name, 'Fetch');
    assert.equal(fetched.body.topics[0]?.topicId, '8f2b1c3d4e5f60718293a4b5c6d7e8f9');
    const joined = decode('platformatic-2.12.1.json', 'JoinGroup v9');
    assert.equal(joined.name, 'JoinGroup');
    assert.equal(joined.body.protocolType, 'consumer');
    assert.ok(joined.body.protocols.length > 0);
  });
});
