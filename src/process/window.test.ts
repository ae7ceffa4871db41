/**
 * Proves windows, reduce and their state against simple models, with records out of order, late ones, and runs that fail
 * anywhere and are started again. In memory.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fault, faultyMemory } from '../../test/kit/faulty-memory.ts';
import * as fc from '../../test/kit/properties.ts';
import { type Client, connect, json } from '../sdk/index.ts';
import {
  compacted,
  count,
  forEach,
  from,
  pipe,
  reduce,
  session,
  sliding,
  sum,
  to,
  tumbling,
  values,
  type Windowed,
  window,
} from './index.ts';

let names = 0;

async function memory(partitions = 1): Promise<Client> {
  return await connect(`memory://window-${names++}?partitions=${partitions}`);
}

interface Event {
  readonly key: string;
  readonly timestamp: number;
  readonly n: number;
}

/** Keys and times of events in the order they are produced. */
const EVENTS = fc
  .array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), timestamp: fc.nat(200) }), { maxLength: 80 })
  .map((list) => list.map((event, n): Event => ({ ...event, n: n + 1 })));

async function fill(client: Client, events: readonly Event[]): Promise<void> {
  await using producer = await client.producer({ topic: 'in', value: json<number>() });
  await producer.sendAll(events.map(({ key, timestamp, n }) => ({ key, timestamp, value: n })));
}

const SOURCE = { topics: 'in', mode: 'resumable', group: 'g', until: 'end', value: json<number>() } as const;

interface Row {
  readonly key: string | null;
  readonly start: number;
  readonly end: number;
  readonly value: unknown;
}

function sorted(rows: readonly Row[]): Row[] {
  const text = (row: Row): string => `${row.key} ${String(row.start).padStart(9)} ${row.end}`;
  return rows.toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
}

test('tumbling and sliding windows hold what a loop over all events puts into them', async () => {
  await fc.assert(
    fc.asyncProperty(
      EVENTS,
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 4 }),
      async (events, everyMs, times) => {
        const sizeMs = everyMs * times;
        await using client = await memory(2);
        await fill(client, events);
        const rows: Row[] = [];
        await pipe(
          from(client, { ...SOURCE, outOfOrdernessMs: 1000, maxReadRecords: 7 }),
          window(
            sliding({ sizeMs, everyMs }),
            sum((n) => n),
          ),
          forEach(({ startMs, endMs, value }, { key, timestamp }) => {
            assert.equal(timestamp, endMs - 1);
            rows.push({ key, start: startMs, end: endMs, value });
          }),
        ).run();
        const model = new Map<string, Row & { value: number }>();
        for (const { key, timestamp, n } of events) {
          for (let start = -sizeMs - everyMs * 10; start <= timestamp; start += everyMs) {
            const aligned = Math.floor(start / everyMs) * everyMs;
            if (!(aligned <= timestamp && timestamp < aligned + sizeMs)) continue;
            const id = `${key} ${aligned}`;
            const before = model.get(id)?.value ?? 0;
            model.set(id, { key, start: aligned, end: aligned + sizeMs, value: before + n });
          }
        }
        assert.deepEqual(sorted(rows), sorted([...model.values()]));
      },
    ),
    { numRuns: 100 },
  );
});

test('late items: exactly those whose windows the watermark had passed, with grace', async () => {
  await fc.assert(
    fc.asyncProperty(EVENTS, fc.nat(20), fc.nat(20), async (events, outOfOrdernessMs, graceMs) => {
      const sizeMs = 10;
      await using client = await memory();
      await fill(client, events);
      const rows: Row[] = [];
      const late: number[] = [];
      await pipe(
        // One record a read: the watermark follows every record.
        from(client, { ...SOURCE, outOfOrdernessMs, maxReadRecords: 1 }),
        window(tumbling({ sizeMs }), values<number, string>(), { graceMs, late: forEach((n) => void late.push(n)) }),
        forEach(
          ({ startMs, endMs, value }, { key }) =>
            void rows.push({ key, start: startMs, end: endMs, value: [...value] }),
        ),
      ).run();
      const lateModel: number[] = [];
      const model = new Map<string, Row & { value: number[] }>();
      let latest = Number.NEGATIVE_INFINITY;
      for (const { key, timestamp, n } of events) {
        const start = timestamp - (timestamp % sizeMs);
        if (start + sizeMs + graceMs <= latest - outOfOrdernessMs) lateModel.push(n);
        else {
          const id = `${key} ${start}`;
          model.set(id, { key, start, end: start + sizeMs, value: [...(model.get(id)?.value ?? []), n] });
        }
        latest = Math.max(latest, timestamp);
      }
      assert.deepEqual(late, lateModel);
      assert.deepEqual(sorted(rows), sorted([...model.values()]));
    }),
    { numRuns: 100 },
  );
});

test('sessions are the clusters of each key', async () => {
  await fc.assert(
    fc.asyncProperty(EVENTS, fc.integer({ min: 1, max: 30 }), async (events, gapMs) => {
      await using client = await memory(2);
      await fill(client, events);
      const rows: Row[] = [];
      await pipe(
        from(client, { ...SOURCE, outOfOrdernessMs: 1000 }),
        window(session({ gapMs }), count()),
        forEach(({ startMs, endMs, value }, { key }) => void rows.push({ key, start: startMs, end: endMs, value })),
      ).run();
      const model: Row[] = [];
      for (const key of new Set(events.map((event) => event.key))) {
        const times = events.filter((event) => event.key === key).map(({ timestamp }) => timestamp);
        let open: { start: number; last: number; value: number } | undefined;
        const close = (): void => {
          if (open !== undefined) model.push({ key, start: open.start, end: open.last + gapMs, value: open.value });
        };
        for (const time of times.toSorted((a, b) => a - b)) {
          if (open !== undefined && time < open.last + gapMs) {
            open.last = time;
            open.value += 1;
            continue;
          }
          close();
          open = { start: time, last: time, value: 1 };
        }
        close();
      }
      assert.deepEqual(sorted(rows), sorted(model));
    }),
    { numRuns: 100 },
  );
});

test('windows close as event time goes on, not only at the end, and results come in order of their ends', async () => {
  await using client = await memory();
  await fill(
    client,
    [0, 5, 12, 14, 31].map((timestamp, n) => ({ key: 'a', timestamp, n })),
  );
  const ends: number[] = [];
  const source = { topics: 'in', mode: 'resumable', group: 'g', value: json<number>() } as const;
  const job = pipe(
    from(client, source),
    window(tumbling({ sizeMs: 10 }), count()),
    forEach(({ endMs }) => void ends.push(endMs)),
  ).start();
  while (ends.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(ends, [10, 20]);
  await job.drain();
  assert.deepEqual(ends, [10, 20], 'draining does not close a window before its time');
  assert.equal(job.metrics().watermarkMs, 31);
  await using other = await client.consumer({ ...source, commit: 'manual' });
  assert.equal((await other.next())?.value, 4, 'the record of the open window is not committed');
});

const FAULTS = fc.array(fc.record({ call: fc.integer({ min: 3, max: 60 }), share: fc.constantFrom(0, 0.3, 0.7, 1) }), {
  maxLength: 4,
});

/** Runs a pipeline until it ends, through faults of the back end: writes of results and of state, and commits. */
async function throughFaults(
  name: string,
  faults: readonly Fault[],
  run: (client: Client) => Promise<void>,
): Promise<void> {
  const faulty = await faultyMemory(name, faults);
  try {
    for (let attempt = 0; ; attempt++) {
      assert.ok(attempt <= faults.length);
      try {
        await run(faulty.client);
        return;
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'CLIENT_NETWORK', String(error));
      }
    }
  } finally {
    // What it still holds failed before.
    await faulty.client.close().catch(() => undefined);
  }
}

test('reduce with state: each record counts once, whatever fails', async () => {
  await fc.assert(
    fc.asyncProperty(EVENTS, FAULTS, fc.integer({ min: 1, max: 30 }), async (events, faults, commitEveryRecords) => {
      const name = `memory://reduce-${names++}?partitions=2`;
      await using client = await connect(name);
      await fill(client, events);
      await throughFaults(name, faults, async (faulty) => {
        await pipe(
          from(faulty, { ...SOURCE, maxReadRecords: 5 }),
          reduce({
            initial: () => 0,
            fold: (total, n: number) => total + n,
            state: compacted(faulty, { topic: 'sums', value: json<number>() }),
          }),
          to(faulty, { topic: 'out', value: json<number>() }),
        ).run({ commitEveryRecords });
      });
      const model = new Map<string, number>();
      for (const { key, n } of events) model.set(key, (model.get(key) ?? 0) + n);
      assert.deepEqual(await newest(client, 'sums'), model);
      assert.deepEqual(await newest(client, 'out'), model);
    }),
    { numRuns: 150 },
  );
});

test('windows with state: every result is whole, whatever fails', async () => {
  const kinds = [tumbling({ sizeMs: 20 }), sliding({ sizeMs: 20, everyMs: 5 }), session({ gapMs: 8 })] as const;
  await fc.assert(
    fc.asyncProperty(
      EVENTS,
      FAULTS,
      fc.integer({ min: 1, max: 30 }),
      fc.constantFrom(...kinds),
      async (events, faults, commitEveryRecords, kind) => {
        // In order of time within a small disorder, so that windows close all along.
        const ordered = events
          .toSorted((a, b) => a.timestamp + (a.n % 7) - b.timestamp - (b.n % 7))
          .map((event, n) => ({ ...event, n: n + 1 }));
        const run = async (happening: readonly Fault[]): Promise<Map<string, Set<string>>> => {
          const name = `memory://window-state-${names++}`;
          await using client = await connect(name);
          await fill(client, ordered);
          await throughFaults(name, happening, async (faulty) => {
            await pipe(
              from(faulty, { ...SOURCE, maxReadRecords: 3, outOfOrdernessMs: 8 }),
              window(kind as ReturnType<typeof session>, values<number, string>(), {
                state: compacted(faulty, { topic: 'windows', value: json<readonly number[]>() }),
              }),
              to(faulty, { topic: 'out', value: json<Windowed<readonly number[]>>() }),
            ).run({ commitEveryRecords });
          });
          const rows = new Map<string, Set<string>>();
          await using results = await client.consumer({
            topics: 'out',
            from: 'earliest',
            until: 'end',
            value: json<Windowed<number[]>>(),
          });
          for await (const { key, value } of results) {
            const id = `${key} ${value.startMs} ${value.endMs}`;
            rows.set(id, (rows.get(id) ?? new Set()).add(value.value.toSorted((a, b) => a - b).join()));
          }
          return rows;
        };
        // Equal sets of one value each: nothing torn, nothing counted twice.
        const whole = await run([]);
        assert.ok([...whole.values()].every((row) => row.size === 1));
        assert.deepEqual(await run(faults), whole);
      },
    ),
    {
      numRuns: 250,
      // That the end of the input had closed all windows was not kept: a record that came again opened them anew.
      examples: [
        [
          Array.from({ length: 7 }, (_, i) => ({ key: 'a', timestamp: 0, n: i + 1 })),
          [{ call: 9, share: 0 }],
          4,
          kinds[1],
        ],
      ],
    },
  );
});

async function newest(client: Client, topic: string): Promise<Map<string, number>> {
  const rows = new Map<string, number>();
  if (!(await client.admin.listTopics()).includes(topic)) return rows;
  await using consumer = await client.consumer({
    topics: topic,
    from: 'earliest',
    until: 'end',
    value: json<number>(),
  });
  for await (const { key, value } of consumer) rows.set(key ?? '', value);
  return rows;
}

test('state that grows beyond its limit ends the pipeline by name', async () => {
  await using client = await memory();
  await fill(
    client,
    ['a', 'b', 'c'].map((key, n) => ({ key, timestamp: n, n })),
  );
  const run = pipe(
    from(client, SOURCE),
    reduce({
      initial: () => 0,
      fold: (n: number) => n + 1,
      state: compacted(client, { topic: 'few', value: json<number>(), maxEntries: 2 }),
    }),
    forEach(() => undefined),
  ).run();
  await assert.rejects(run, { code: 'PROCESS_STATE_FULL' });
});

test('a state of undefined deletes the key, in the topic too', async () => {
  await using client = await memory();
  await fill(
    client,
    [1, 2, 3].map((n) => ({ key: 'a', timestamp: n, n })),
  );
  const pipeline = pipe(
    from(client, SOURCE),
    reduce({
      initial: () => 0,
      fold: (total, n: number) => (n === 3 ? undefined : total + n),
      state: compacted(client, { topic: 'sums', value: json<number>() }),
    }),
    forEach(() => undefined),
  );
  await pipeline.run();
  await fill(client, [{ key: 'a', timestamp: 9, n: 5 }]);
  const seen: number[] = [];
  await pipe(
    from(client, SOURCE),
    reduce({
      initial: () => 100,
      fold: (total, n: number) => total + n,
      state: compacted(client, { topic: 'sums', value: json<number>() }),
    }),
    forEach((total) => void seen.push(total)),
  ).run();
  assert.deepEqual(seen, [105]);
});

test('windows refuse load-balanced sources, and kinds that make no sense', async () => {
  await using client = await memory();
  const run = pipe(
    from(client, { topics: 'in', mode: 'load-balanced', group: 'g', value: json<number>() }),
    window(tumbling({ sizeMs: 10 }), count()),
    forEach(() => undefined),
  ).run();
  await assert.rejects(run, { code: 'CLIENT_UNSUPPORTED', message: /resumable/ });
  assert.throws(() => tumbling({ sizeMs: 0 }), { code: 'CLIENT_OPTION_INVALID' });
  assert.throws(() => sliding({ sizeMs: 10, everyMs: 11 }), { code: 'CLIENT_OPTION_INVALID' });
  assert.throws(() => session({ gapMs: 1.5 }), { code: 'CLIENT_OPTION_INVALID' });
});
