// Effects in the program's own database, each once: rows and positions are written in one transaction of SQLite, over any back
// end. PostgreSQL: postgresOffsets. In an installed package the imports are 'millrace' and 'millrace/process'.
//
//   node examples/sdk-into-sqlite.ts kafka://127.0.0.1:9092/demo.earthquakes ./earthquakes.db

import { DatabaseSync } from 'node:sqlite';
import { filter, from, into, pipe, sqliteOffsets } from '../src/process/index.ts';
import { connect, json } from '../src/sdk/index.ts';

const [uri = '', file = ':memory:'] = process.argv.slice(2);
await using client = await connect(uri);
const database = new DatabaseSync(file);
database.exec('CREATE TABLE IF NOT EXISTS strong (id TEXT PRIMARY KEY, mag REAL, place TEXT) STRICT');
const offsets = { store: sqliteOffsets(database), group: 'strong' };

await pipe(
  from(client, { offsets, until: 'end', value: json<{ id: string; mag: number | null; place: string }>() }),
  filter(({ mag }) => (mag ?? 0) >= 5),
  into(offsets.store, (items, db) => {
    const insert = db.prepare('INSERT INTO strong VALUES (?, ?, ?)');
    for (const { value } of items) insert.run(value.id, value.mag, value.place);
  }),
).run({ commitEveryRecords: 1000 });

console.log(`${String(database.prepare('SELECT count(*) AS n FROM strong').get()?.['n'])} strong ones`);
database.close();
