/**
 * Proves that streams keep what they acknowledged through kill -9: idempotent HTTP producers that repeat whatever was not
 * answered, readers by long poll and by events that resume from their last offset, and a stream that was closed. It kills
 * the process, not the machine: power loss is test/sim's.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceProcess } from '../kit/millrace-process.ts';

const ROUNDS = 8;
const PRODUCERS = 4;

interface Message {
  readonly producer: number;
  readonly seq: number;
}

class Load {
  readonly acked = Array.from({ length: PRODUCERS }, () => -1);
  readonly #url: string;
  stopped = false;

  constructor(url: string) {
    this.#url = url;
  }

  /** Sends 0, 1, 2, ...; each again and again until it is answered. */
  async produce(producer: number): Promise<void> {
    for (let seq = 0; !this.stopped; ) {
      try {
        const answer = await fetch(this.#url, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'producer-id': `p${producer}`,
            'producer-epoch': '0',
            'producer-seq': String(seq),
          },
          body: JSON.stringify({ producer, seq }),
          signal: AbortSignal.timeout(5_000),
        });
        if (answer.status === 200 || answer.status === 204) this.acked[producer] = seq++;
        else if (answer.status < 500)
          assert.fail(`producer ${producer}, seq ${seq}: ${answer.status} ${await answer.text()}`);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        await sleep(20);
      }
    }
  }

  /** Until `enough` says so; comes back from its last offset whatever breaks. */
  async longPoll(enough: (messages: readonly Message[]) => boolean): Promise<Message[]> {
    const messages: Message[] = [];
    for (let offset = '-1'; !enough(messages); ) {
      try {
        const answer = await fetch(`${this.#url}?offset=${offset}&live=long-poll`, {
          signal: AbortSignal.timeout(30_000),
        });
        const next = answer.headers.get('stream-next-offset');
        if (answer.status === 200) messages.push(...((await answer.json()) as Message[]));
        if (answer.ok && next !== null) offset = next;
      } catch {
        await sleep(20);
      }
    }
    return messages;
  }

  async events(enough: (messages: readonly Message[]) => boolean): Promise<Message[]> {
    const messages: Message[] = [];
    for (let offset = '-1'; !enough(messages); ) {
      let pending: Message[] = [];
      try {
        const answer = await fetch(`${this.#url}?offset=${offset}&live=sse`, { signal: AbortSignal.timeout(30_000) });
        if (!answer.ok || answer.body === null) throw new Error(String(answer.status));
        let rest = '';
        for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
          const events = (rest + text).split('\n\n');
          rest = events.pop() ?? '';
          for (const event of events) {
            const data = JSON.parse(event.replace(/^event: \w+\n/, '').replaceAll(/^data:/gm, '')) as
              | Message[]
              | { streamNextOffset: string };
            if (Array.isArray(data)) pending = data;
            else {
              // What came is taken together with the offset behind it, or not at all.
              messages.push(...pending);
              pending = [];
              offset = data.streamNextOffset;
            }
          }
          if (enough(messages)) break;
        }
      } catch {
        await sleep(20);
      }
    }
    return messages;
  }
}

test('streams through kill -9', { timeout: 240_000 }, async () => {
  await using broker = await MillraceProcess.start();
  const url = (name: string) => `http://${broker.http}/v1/stream/${name}`;
  const json = { 'content-type': 'application/json' };
  assert.equal((await fetch(url('load'), { method: 'PUT', headers: json })).status, 201);
  await fetch(url('done'), { method: 'PUT', headers: json });
  const closing = await fetch(url('done'), {
    method: 'POST',
    headers: { ...json, 'stream-closed': 'true' },
    body: '"end"',
  });
  assert.equal(closing.status, 204);

  const load = new Load(url('load'));
  const producers = Array.from({ length: PRODUCERS }, (_, producer) => load.produce(producer));
  const total = () => load.acked.reduce((sum, last) => sum + last + 1, 0);
  const hasAll = (messages: readonly Message[]): boolean => load.stopped && messages.length >= total();
  const readers = [load.longPoll(hasAll), load.longPoll(hasAll), load.events(hasAll), load.events(hasAll)];
  for (let round = 0; round < ROUNDS; round++) {
    const before = total();
    for (let i = 0; i < 400 && total() < before + 200; i++) await sleep(25);
    assert.ok(total() > before, `round ${round}: nothing was acknowledged`);
    await broker.kill9();
    await broker.start();
  }
  load.stopped = true;
  await Promise.all(producers);
  // One more message, so that readers that wait are told.
  await fetch(url('load'), { method: 'POST', headers: json, body: JSON.stringify({ producer: -1, seq: 0 }) });

  const stored = await everything(url('load'));
  for (const messages of await Promise.all(readers)) {
    assert.deepEqual(messages, stored.slice(0, messages.length), 'each reader has each message once, in order');
  }
  for (const [producer, last] of load.acked.entries()) {
    const seqs = stored.filter((message) => message.producer === producer).map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      Array.from({ length: seqs.length }, (_, seq) => seq),
      `producer ${producer}: once and in order`,
    );
    assert.ok(seqs.length >= last + 1, `producer ${producer}: ${last + 1} acknowledged, ${seqs.length} stored`);
  }
  const head = await fetch(url('done'), { method: 'HEAD' });
  assert.equal(head.headers.get('stream-closed'), 'true');
});

async function everything(url: string): Promise<Message[]> {
  const messages: Message[] = [];
  for (let offset = '-1'; ; ) {
    const answer = await fetch(`${url}?offset=${offset}`);
    messages.push(...((await answer.json()) as Message[]));
    offset = answer.headers.get('stream-next-offset') ?? offset;
    if (answer.headers.get('stream-up-to-date') === 'true') return messages;
  }
}
