// Exactly-once effect without a Kafka client: Millrace pushes records to this application, which keeps its own offset in
// the SQLite transaction that applies them. A delivery that comes twice, or whose answer was lost, changes nothing.
//
//   node examples/push-sqlite.ts http://127.0.0.1:7123 demo/payments balances.db 8080
//   curl -H 'content-type: application/json' -d '{"value":{"account":"ann","amount":5}}' 127.0.0.1:7123/v1/topics/demo/payments/records

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { DatabaseSync } from 'node:sqlite';

const [address = 'http://127.0.0.1:7123', topic = 'demo/payments', file = 'balances.db', port = '8080', publicUrl] =
  process.argv.slice(2);

interface Delivery {
  readonly topic: string;
  readonly partition: number;
  readonly fromOffset: number;
  readonly nextOffset: number;
  readonly records: readonly { readonly value: { readonly account: string; readonly amount: number } }[];
}

const database = new DatabaseSync(file);
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS balances (account TEXT PRIMARY KEY, amount INTEGER, payments INTEGER) STRICT;
  CREATE TABLE IF NOT EXISTS offsets (topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition)) STRICT`);
const readOffset = database.prepare('SELECT next FROM offsets WHERE topic = ? AND partition = ?');
const storeOffset = database.prepare('INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)');
const pay = database.prepare(`
  INSERT INTO balances VALUES (?, ?, 1)
  ON CONFLICT (account) DO UPDATE SET amount = amount + excluded.amount, payments = payments + 1`);

/** One transaction: the check of the offset, the effect, the new offset. */
function apply({ topic: name, partition, fromOffset, nextOffset, records }: Delivery): object {
  database.exec('BEGIN IMMEDIATE');
  try {
    const stored = Number(readOffset.get(name, partition)?.['next'] ?? 0);
    if (stored !== fromOffset) {
      database.exec('ROLLBACK');
      return { code: 'incorrect_base_offset', offset: stored };
    }
    for (const { value } of records) pay.run(value.account, value.amount);
    storeOffset.run(name, partition, nextOffset);
    database.exec('COMMIT');
    return { code: 'ok' };
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}

const server = createServer((request, response) => {
  bodyOf(request)
    .then((text) => response.end(JSON.stringify(apply(JSON.parse(text) as Delivery))))
    // Anything but an answer of ours is tried again.
    .catch((error: unknown) => response.writeHead(500).end(String(error)));
});
server.listen(Number(port), '127.0.0.1');
await once(server, 'listening');

// The same request again changes nothing: the push stays where it stands.
const push = await fetch(`${address}/v1/push/payments`, {
  method: 'PUT',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ match: topic, url: publicUrl ?? `http://127.0.0.1:${port}/`, format: 'json' }),
});
if (!push.ok) throw new Error(await push.text());
console.log(`taking payments of ${topic} into ${file}`);
