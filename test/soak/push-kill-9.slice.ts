/**
 * Proves exactly-once effect by push: while the broker and the application (examples/push-sqlite.ts) are killed with
 * kill -9 and the network between them refuses, cuts requests and loses answers, each payment counts once. The writers
 * repeat what was not answered, under an idempotency key. It kills processes, not the machine: power loss is test/sim's.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, MillraceProcess } from '../kit/millrace-process.ts';
import { SeededRandom } from '../kit/seeded-random.ts';
import { TempDirectory } from '../kit/temp-directory.ts';

const EXAMPLE = fileURLToPath(new URL('../../examples/push-sqlite.ts', import.meta.url));
const ROUNDS = 8;
const WRITERS = 3;
const ACCOUNTS = ['ann', 'bob', 'cem'];
const SEED = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 1_000_000);

/** Between broker and application; half of the connections go wrong, in one of four ways. */
class BadNetwork implements Disposable {
  readonly #server: net.Server;
  readonly #random: SeededRandom;
  readonly cut = { refused: 0, request: 0, answer: 0 };
  healed = false;

  static async start(port: number, target: number, random: SeededRandom): Promise<BadNetwork> {
    const network = new BadNetwork(target, random);
    network.#server.listen(port, '127.0.0.1');
    await once(network.#server, 'listening');
    return network;
  }

  private constructor(target: number, random: SeededRandom) {
    this.#random = random;
    this.#server = net.createServer((client) => this.#pass(client, target));
  }

  #pass(client: net.Socket, target: number): void {
    const luck = this.healed ? 1 : this.#random.next();
    client.on('error', () => {});
    if (luck < 0.15) {
      this.cut.refused += 1;
      client.resetAndDestroy();
      return;
    }
    const upstream = net.connect(target, '127.0.0.1');
    upstream.on('error', () => client.destroy()).on('close', () => client.destroy());
    client.on('close', () => upstream.destroy());
    if (luck < 0.3) {
      this.cut.request += 1;
      client.once('data', (piece: Buffer) => {
        upstream.write(piece.subarray(0, Math.floor(piece.length / 2)));
        setTimeout(() => client.resetAndDestroy(), 5);
      });
      return;
    }
    client.pipe(upstream);
    if (luck < 0.5) {
      // The application has done it all, and nobody hears of it.
      this.cut.answer += 1;
      upstream.once('data', () => client.resetAndDestroy());
      return;
    }
    upstream.pipe(client);
  }

  [Symbol.dispose](): void {
    this.#server.close();
  }
}

class Application implements AsyncDisposable {
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(...args: string[]) {
    this.#args = args;
  }

  /** Resolves when it has asked the broker for its push. */
  async start(): Promise<void> {
    for (;;) {
      const child = spawn(process.execPath, [EXAMPLE, ...this.#args], { stdio: ['ignore', 'pipe', 'ignore'] });
      this.#child = child;
      const started = await Promise.race([
        once(child.stdout ?? assert.fail(), 'data').then(() => true),
        once(child, 'exit').then(() => false),
      ]);
      if (started) return;
      await sleep(50);
    }
  }

  async kill9(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill9();
  }
}

/** Writes payments until it is stopped; each request again until it is answered. */
class Writer {
  readonly sums = new Map(ACCOUNTS.map((account) => [account, { amount: 0, payments: 0 }]));
  stopped = false;
  requests = 0;

  async run(url: string, name: number): Promise<void> {
    for (; !this.stopped; this.requests++) {
      const payments = Array.from({ length: 10 }, (_, i) => ({
        account: ACCOUNTS[i % ACCOUNTS.length] ?? '',
        amount: this.requests * 10 + i,
      }));
      const body = JSON.stringify(payments.map((value) => ({ value, key: value.account })));
      await this.#send(url, body, `writer-${name}-${this.requests}`);
      for (const { account, amount } of payments) {
        const sum = this.sums.get(account) ?? assert.fail();
        sum.amount += amount;
        sum.payments += 1;
      }
      await sleep(5);
    }
  }

  async #send(url: string, body: string, key: string): Promise<void> {
    for (;;) {
      try {
        const answer = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'idempotency-key': key },
          body,
          signal: AbortSignal.timeout(5_000),
        });
        if (answer.status === 200) return;
        if (answer.status < 500) assert.fail(`${answer.status} ${await answer.text()}`);
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
      }
      await sleep(20);
    }
  }
}

interface Balance {
  readonly account: string;
  readonly amount: number;
  readonly payments: number;
}

function balances(file: string): Balance[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const rows = database.prepare('SELECT account, amount, payments FROM balances ORDER BY account').all();
    return rows.map((row) => ({
      account: String(row['account']),
      amount: Number(row['amount']),
      payments: Number(row['payments']),
    }));
  } finally {
    database.close();
  }
}

test(`payments by push through kill -9 and a bad network, seed ${SEED}`, { timeout: 240_000 }, async () => {
  const random = new SeededRandom(SEED);
  using directory = new TempDirectory();
  const file = path.join(directory.path, 'balances.db');
  await using broker = await MillraceProcess.start();
  const address = `http://${broker.http}`;
  const json = { 'content-type': 'application/json' };
  const made = await fetch(`${address}/v1/topics`, {
    method: 'POST',
    headers: json,
    body: JSON.stringify({ name: 'pay', partitions: 3 }),
  });
  assert.equal(made.status, 201);
  const [outside, inside] = [await freePort(), await freePort()];
  using network = await BadNetwork.start(outside, inside, random);
  await using application = new Application(address, 'pay', file, String(inside), `http://127.0.0.1:${outside}/`);
  await application.start();
  const writers = Array.from({ length: WRITERS }, () => new Writer());
  const writing = Promise.all(writers.map((writer, name) => writer.run(`${address}/v1/topics/pay/records`, name)));

  for (let round = 0; round < ROUNDS; round++) {
    await sleep(500 + random.next() * 1_500);
    if (round % 2 === 0) {
      await broker.kill9();
      await broker.start();
    } else {
      await application.kill9();
      await application.start();
    }
  }
  for (const writer of writers) writer.stopped = true;
  await writing;
  network.healed = true;
  await fetch(`${address}/v1/push/payments/resume`, { method: 'POST' });
  for (let i = 0; ; i++) {
    const { lag } = (await (await fetch(`${address}/v1/push/payments`)).json()) as { lag: number };
    if (lag === 0) break;
    assert.ok(i < 600, `${lag} payments are not delivered`);
    await sleep(100);
  }

  const expected = ACCOUNTS.map((account) => {
    const sums = writers.map((writer) => writer.sums.get(account) ?? assert.fail());
    return {
      account,
      amount: sums.reduce((total, { amount }) => total + amount, 0),
      payments: sums.reduce((total, { payments }) => total + payments, 0),
    };
  });
  assert.deepEqual(balances(file), expected);
  assert.ok(network.cut.answer > 0 && network.cut.request > 0 && network.cut.refused > 0, JSON.stringify(network.cut));
  assert.ok(
    expected.every(({ payments }) => payments > 100),
    'there was load',
  );
});
