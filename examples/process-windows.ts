// Windows, a dead-letter topic and state that outlives the process: how many earthquakes a day each network reports, and the
// strongest one so far. Kill it and start it again: it goes on, and no earthquake counts twice.
//
//   node examples/process-windows.ts kafka://127.0.0.1:9092 demo.earthquakes

import {
  compacted,
  filter,
  forEach,
  from,
  map,
  pipe,
  reduce,
  rekey,
  sum,
  to,
  tumbling,
  window,
} from '../src/process/index.ts';
import { connect, json, string } from '../src/sdk/index.ts';

interface Earthquake {
  readonly net: string;
  readonly mag: number | null;
  readonly time: number;
}

const [uri = 'kafka://127.0.0.1:9092', topic = 'demo.earthquakes'] = process.argv.slice(2);
await using client = await connect(uri);
const DAY_MS = 86_400_000;

const counting = pipe(
  from(client, {
    topics: topic,
    mode: 'resumable',
    group: 'quakes-per-day',
    until: 'end',
    value: json<Earthquake>(),
    // The time of the earthquake, not that of the record; the feed is in order to within an hour.
    eventTime: ({ value }) => value.time,
    outOfOrdernessMs: 3_600_000,
  }),
  filter((quake) => quake.mag !== null),
  rekey((quake) => quake.net),
  window(
    tumbling({ sizeMs: DAY_MS }),
    sum(() => 1),
    {
      state: compacted(client, { topic: `${topic}.per-day-state`, value: json<number>() }),
    },
  ),
  map(({ startMs, value }, { key }) => `${new Date(startMs).toISOString().slice(0, 10)} ${key} ${value}`, {
    retry: { attempts: 3 },
    deadLetter: forEach((_window, { headers }) => console.error('left out:', headers.get('millrace-error'))),
  }),
  to(client, { topic: `${topic}.per-day`, value: string() }),
);

const strongest = pipe(
  from(client, { topics: topic, mode: 'resumable', group: 'strongest', until: 'end', value: json<Earthquake>() }),
  filter((quake): quake is Earthquake & { readonly mag: number } => quake.mag !== null),
  rekey((quake) => quake.net),
  reduce({
    initial: () => Number.NEGATIVE_INFINITY,
    fold: (highest: number, { mag }) => Math.max(highest, mag),
    state: compacted(client, { topic: `${topic}.strongest`, value: json<number>() }),
  }),
  forEach(() => undefined),
);

await Promise.all([counting.run(), strongest.run()]);
console.log('done');
