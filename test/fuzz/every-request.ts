/**
 * Every request of every served API and version, with hostile bodies: `node test/fuzz/every-request.ts [--rounds 200]
 * [--seed N]`. A round takes each API in each version once, with a body made from its message table (extreme numbers,
 * empty and overlong names, nulls, repeats), and once more with that body damaged.
 *
 * A body in form must be answered, in the layout of its version, with error codes that Kafka has, and never with
 * UNKNOWN_SERVER_ERROR, which is what clients see of a defect; a damaged one is answered or the connection is closed.
 * Nothing may be logged as an error, and nothing may be held when all is over. What several attackers at once, pieces and
 * hang-ups do is the matter of kafka-listener.ts.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { SERVED_APIS } from '../../src/listeners/kafka/registry.ts';
import { type Api, apiOf, decodeResponse, ERROR_CODES, encodeRequest, errorName } from '../../src/wire/index.ts';
import { arbitraryMessage, type Overrides } from '../kit/arbitrary-message.ts';
import { batchOf } from '../kit/broker-kit.ts';
import { KafkaKit, RawClient } from '../kit/kafka-kit.ts';
import * as fc from '../kit/properties.ts';
import { SeededRandom } from '../kit/seeded-random.ts';

const DEADLINE_MS = 10_000;
const MAX_HEAP_BYTES = 400 * 1024 * 1024;
const TOPICS = ['attacked', 'nosuch', 'not a name', 'a/b', '', '.', '__proto__', 'x'.repeat(300)];
const GROUPS = ['g', '', '__proto__', 'x'.repeat(2_000)];
const SMALL = [-0x8000_0000, -2, -1, 0, 1, 2, 3, 0x7fff_ffff];
/** They wait for other members, as long as they ask for; nobody waits for their answers here. */
const MAY_WAIT: ReadonlySet<string> = new Set(['JoinGroup', 'SyncGroup', 'ConsumerGroupHeartbeat']);

const NUMBERS = fc.constantFrom(...SMALL);
/** Of fields by name: values that reach behind the first check, and the edges of each. */
const HOSTILE: Overrides = {
  name: fc.constantFrom(...TOPICS),
  topic: fc.constantFrom(...TOPICS),
  topicName: fc.constantFrom(...TOPICS),
  resourceName: fc.constantFrom(...TOPICS, '1'),
  resourceType: fc.constantFrom(-128, 0, 2, 4, 8, 127),
  groupId: fc.constantFrom(...GROUPS),
  partitionIndex: NUMBERS,
  partition: NUMBERS,
  index: NUMBERS,
  numPartitions: NUMBERS,
  count: NUMBERS,
  timestamp: fc.constantFrom(-0x8000_0000, -6, -5, -4, -3, -2, -1, 0, Number.MAX_SAFE_INTEGER),
  records: fc.constantFrom(batchOf(['fuzz']), new Uint8Array(0), new Uint8Array(61), Buffer.alloc(1_000, 0xff)),
  acks: fc.constantFrom(-0x8000, -1, 1, 5),
  fetchOffset: fc.constantFrom(-1, 0, 1, Number.MAX_SAFE_INTEGER),
  maxWaitMs: fc.constantFrom(-1, 0, 1),
  sessionId: fc.constantFrom(-1, 0, 1, 0x7fff_ffff),
  sessionEpoch: fc.constantFrom(-0x8000_0000, -1, 0, 1, 0x7fff_ffff),
  // A quota of everybody, or of this client, would make all that follows wait.
  entityName: fc.constantFrom('somebody else', '', 'x'.repeat(5_000)),
  entityType: fc.constantFrom('client-id', 'user', 'ip', 'tribe', ''),
  key: fc.constantFrom('producer_byte_rate', 'request_percentage', 'nosuch', '__proto__', ''),
  configurationKeys: fc.constantFrom(null, [], ['retention.ms', 'nosuch', '__proto__']),
  configOperation: fc.constantFrom(-1, 0, 1, 2, 3, 4),
};

export interface SweepOptions {
  readonly seed: number;
  readonly rounds: number;
  readonly report?: (line: string) => void;
}

export interface SweepResult {
  /** API and version. */
  readonly kinds: number;
  readonly requests: number;
  readonly answered: number;
  readonly closed: number;
}

/** @throws Error with what broke. The caller prints the seed. */
export async function sweepEveryRequest({ seed, rounds, report }: SweepOptions): Promise<SweepResult> {
  await using kit = await KafkaKit.start({
    settings: { maxFrameBytes: 2_000_000, maxControlFrameBytes: 500_000, maxLandingBytes: 8_000_000 },
    broker: { maxPartitions: 5_000, maxPartitionsPerTopic: 100, fetchMaxWaitMs: 20 },
  });
  await kit.broker.topics.create({ name: TOPICS[0] as string, partitions: 3 });
  const sweep = new Sweep(kit, new SeededRandom(seed));
  for (let round = 1; round <= rounds; round++) {
    await sweep.round();
    if (round % 10 === 0) report?.(`${round} rounds, ${JSON.stringify(sweep.result)}`);
  }
  await sweep.checkGivenBack();
  return sweep.result;
}

class Sweep {
  readonly result = { kinds: 0, requests: 0, answered: 0, closed: 0 };
  readonly #kit: KafkaKit;
  readonly #random: SeededRandom;
  #client: RawClient | undefined;

  constructor(kit: KafkaKit, random: SeededRandom) {
    this.#kit = kit;
    this.#random = random;
  }

  async round(): Promise<void> {
    this.result.kinds = 0;
    for (const { key, minVersion, maxVersion } of SERVED_APIS) {
      const api = apiOf(key);
      assert.ok(api !== undefined);
      for (let version = minVersion; version <= maxVersion; version++) {
        this.result.kinds += 1;
        const frame = this.#frameOf(api, version);
        if (frame === undefined) continue;
        await this.#send(api, version, frame, true);
        await this.#send(api, version, damaged(frame, this.#random), false);
      }
    }
    const errors = this.#kit.lines.filter(({ level }) => level === 'error');
    assert.deepEqual(errors, [], 'a defect was logged');
    this.#kit.lines.length = 0;
    const { heapUsed } = process.memoryUsage();
    assert.ok(heapUsed < MAX_HEAP_BYTES, `the heap has grown to ${heapUsed} bytes`);
  }

  async checkGivenBack(): Promise<void> {
    this.#client?.destroy();
    const { metrics } = this.#kit.listener;
    for (let waited = 0; metrics.connections + metrics.landingBytes + metrics.fetchedBytes > 0; waited += 20) {
      const { connections, landingBytes, fetchedBytes } = metrics;
      assert.ok(waited < DEADLINE_MS, JSON.stringify({ connections, landingBytes, fetchedBytes }));
      await sleep(20);
    }
    assert.equal(this.#kit.broker.health().ready, true);
  }

  /** Undefined: some values that are fine in one version cannot be said in another. */
  #frameOf(api: Api, version: number): Buffer | undefined {
    const seed = this.#random.below(2 ** 31);
    const [body] = fc.sample(arbitraryMessage(api.request.fields, version, HOSTILE), { seed, numRuns: 1 });
    try {
      return encodeRequest(api, version, { correlationId: 7, clientId: 'fuzz' }, body as never);
    } catch {
      return undefined;
    }
  }

  async #send(api: Api, version: number, frame: Buffer, inForm: boolean): Promise<void> {
    const what = `${api.name} ${version}`;
    const client = await this.#connected();
    this.result.requests += 1;
    client.send(frame);
    if (MAY_WAIT.has(api.name)) {
      await sleep(1);
      this.#leave(client);
      return;
    }
    const answer = await this.#answer(client, `${what} (${frame.toString('hex').slice(0, 2_000)})`, inForm);
    if (answer === undefined) {
      assert.ok(!inForm, `${what}: the connection was closed on a request in form: ${this.#kit.reasons.at(-1)}`);
      this.result.closed += 1;
      this.#leave(client);
    } else {
      this.result.answered += 1;
      if (inForm) checkCodes(decodeResponse(api, version, answer).body, what);
      // A damaged one may have asked for more than one answer, or for none of its own.
      else this.#leave(client);
    }
  }

  /** Undefined: the connection was closed, or, to a damaged request, nothing is answered that ends soon. */
  async #answer(client: RawClient, what: string, inForm: boolean): Promise<Buffer | undefined> {
    const late = new AbortController();
    const tooLate = sleep(inForm ? DEADLINE_MS : 100, undefined, { signal: late.signal }).then(
      () => 'late' as const,
      () => 'late' as const,
    );
    const framed = client.frame().catch(() => undefined);
    const first = await Promise.race([framed, tooLate]);
    late.abort();
    if (first !== 'late') return first;
    assert.ok(!inForm, `${what}: no answer within ${DEADLINE_MS} ms`);
    return undefined;
  }

  async #connected(): Promise<RawClient> {
    if (this.#client === undefined || this.#client.closed) {
      this.#client = await RawClient.connect(this.#kit.listener.address.port);
    }
    return this.#client;
  }

  #leave(client: RawClient): void {
    client.destroy();
    this.#client = undefined;
  }
}

/** Every error code anywhere in the answer is one of Kafka's, and none says "unknown server error". */
function checkCodes(value: unknown, path: string): void {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return;
  for (const [name, inner] of Object.entries(value)) {
    if (/errorCode/i.test(name) && typeof inner === 'number') {
      assert.notEqual(inner, ERROR_CODES.UNKNOWN_SERVER_ERROR, `${path}.${name}`);
      assert.ok(KNOWN_CODES.has(inner), `${path}.${name}: ${inner} (${errorName(inner)})`);
    } else checkCodes(inner, `${path}.${name}`);
  }
}

const KNOWN_CODES: ReadonlySet<number> = new Set(Object.values(ERROR_CODES));

/** The frame cut, lengthened, or with one number overwritten; its size still fits. */
function damaged(frame: Buffer, random: SeededRandom): Buffer {
  const body = Buffer.from(frame);
  const kind = random.below(3);
  let bytes = body;
  if (kind === 0) bytes = body.subarray(0, 12 + random.below(Math.max(1, body.length - 12)));
  else if (kind === 1) bytes = Buffer.concat([body, random.bytes(1 + random.below(40))]);
  else if (body.length >= 16)
    bytes.writeInt32BE(random.pick([-1, 0x7fff_ffff, -0x8000_0000, 1_000_000]), 12 + random.below(body.length - 15));
  bytes.writeInt32BE(bytes.length - 4, 0);
  return bytes;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' }, seed: { type: 'string' } } });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  try {
    console.log(await sweepEveryRequest({ seed, rounds: Number(values.rounds), report: (line) => console.log(line) }));
  } catch (error) {
    console.error(`failed; repeat with --seed ${seed}`);
    throw error;
  }
}
