/**
 * Kills the broker again and again under readers by events, WebSocket and long poll, and idempotent HTTP producers. Each
 * reader comes back by itself to where it was; each producer repeats what was not answered.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceProcess } from '../kit/millrace-process.ts';

export interface ReadersPlan {
  readonly rounds: number;
  /** Of each of the three kinds. */
  readonly readers: number;
  readonly producers: number;
}

const TOPIC = 'load';

/** One reader: what it has, by offset, which must come without gap and without repeat. */
class Reader {
  readonly values: string[] = [];
  comebacks = 0;

  /** @param records as the broker sends them. */
  take(records: readonly { readonly offset: number; readonly value: string }[]): void {
    for (const { offset, value } of records) {
      assert.equal(offset, this.values.length, 'each record once, in order');
      this.values.push(value);
    }
  }

  get next(): number {
    return this.values.length;
  }
}

type Read = (reader: Reader, address: string, enough: () => boolean) => Promise<void>;

async function longPoll(reader: Reader, address: string, enough: () => boolean): Promise<void> {
  while (!enough()) {
    const url = `http://${address}/v1/topics/${TOPIC}/records?offset=${reader.next}&wait=5`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    if (!answer.ok) throw new Error(String(answer.status));
    reader.take(((await answer.json()) as { records: { offset: number; value: string }[] }).records);
  }
}

/** As a browser does: the id of the last event says where to go on. */
async function events(reader: Reader, address: string, enough: () => boolean): Promise<void> {
  const controller = new AbortController();
  const answer = await fetch(`http://${address}/v1/topics/${TOPIC}/records`, {
    headers: { accept: 'text/event-stream', 'last-event-id': `0:${reader.next}` },
    signal: controller.signal,
  });
  if (!answer.ok || answer.body === null) throw new Error(String(answer.status));
  let rest = '';
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + text).split('\n\n');
    rest = whole.pop() ?? '';
    for (const event of whole) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data !== undefined && !event.startsWith('event: error')) reader.take([JSON.parse(data)]);
    }
    if (!enough()) continue;
    controller.abort();
    return;
  }
}

function webSocket(reader: Reader, address: string, enough: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${address}/v1/ws`);
    const subscribe = { op: 'subscribe', sub: 's', topic: TOPIC, offset: reader.next, format: 'text' };
    socket.addEventListener('open', () => socket.send(JSON.stringify(subscribe)));
    socket.addEventListener('close', () => resolve());
    socket.addEventListener('error', () => resolve());
    socket.addEventListener('message', ({ data }) => {
      const message = JSON.parse(String(data)) as { op: string; records?: { offset: number; value: string }[] };
      try {
        if (message.op === 'records') reader.take(message.records ?? []);
      } catch (error) {
        reject(error);
      }
      if (enough()) socket.close();
    });
  });
}

const KINDS: readonly Read[] = [longPoll, events, webSocket];

export async function readersUnderFire({ rounds, readers, producers }: ReadersPlan): Promise<string> {
  await using broker = await MillraceProcess.start();
  const address = broker.http;
  const json = { 'content-type': 'application/json' };
  const made = await fetch(`http://${address}/v1/topics`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ name: TOPIC }),
  });
  assert.equal(made.status, 201);
  const acked = Array.from({ length: producers }, () => 0);
  const total = (): number => acked.reduce((sum, count) => sum + count, 0);
  const state = { stopped: false };

  const produce = async (producer: number): Promise<void> => {
    while (!state.stopped) {
      try {
        const answer = await fetch(`http://${address}/v1/topics/${TOPIC}/records`, {
          method: 'POST',
          headers: { ...json, 'idempotency-key': `p${producer}-${acked[producer]}` },
          body: JSON.stringify({ valueText: `${producer} ${acked[producer]}` }),
          signal: AbortSignal.timeout(5_000),
        });
        await answer.text();
        if (answer.status === 200) acked[producer] = (acked[producer] ?? 0) + 1;
        else assert.ok(answer.status >= 500, `producer ${producer}: ${answer.status}`);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        await sleep(20);
      }
    }
  };
  const read = async (reader: Reader, kind: Read): Promise<void> => {
    const enough = (): boolean => state.stopped && reader.next >= total();
    for (; !enough(); reader.comebacks++) {
      try {
        await kind(reader, address, enough);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
      }
      await sleep(200);
    }
  };
  const all = KINDS.flatMap((kind) => Array.from({ length: readers }, () => ({ reader: new Reader(), kind })));
  const reading = Promise.all(all.map(({ reader, kind }) => read(reader, kind)));
  const producing = Promise.all(acked.map((_, producer) => produce(producer)));
  // Whoever fails first is told of at the end.
  reading.catch(() => undefined);
  producing.catch(() => undefined);

  for (let round = 0; round < rounds; round++) {
    const before = total();
    for (let i = 0; i < 400 && total() < before + 100; i++) await sleep(25);
    assert.ok(total() > before, `round ${round}: nothing was acknowledged`);
    await broker.kill9();
    await broker.start();
  }
  state.stopped = true;
  await producing;
  // Readers look whether they have enough when something comes, which may have been before this.
  await fetch(`http://${address}/v1/topics/${TOPIC}/records`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ valueText: 'the end' }),
  });
  await reading;

  const stored = new Reader();
  await longPoll(stored, address, () => stored.next >= total());
  for (const { reader } of all) assert.deepEqual(reader.values, stored.values.slice(0, reader.next));
  for (const [producer, count] of acked.entries()) {
    const own = stored.values.filter((value) => value.startsWith(`${producer} `));
    const expected = Array.from({ length: count }, (_, i) => `${producer} ${i}`);
    assert.deepEqual(own.slice(0, count), expected, `producer ${producer}: each acknowledged record once, in order`);
  }
  const comebacks = all.reduce((sum, { reader }) => sum + reader.comebacks, 0);
  assert.ok(comebacks >= all.length, 'readers were cut off and came back');
  return `${rounds} rounds, ${all.length} readers came back ${comebacks} times, ${stored.next} records`;
}
