/**
 * Proves that readers by events, WebSocket and long poll go on by themselves after kill -9 of the broker, each with every
 * record once and in order, and that acknowledged writes of idempotent HTTP producers are there once.
 * MILLRACE_ROUNDS=30 is the long form.
 */
import { test } from 'node:test';
import { readersUnderFire } from './readers-kill-9.ts';

const ROUNDS = Number(process.env['MILLRACE_ROUNDS'] ?? 6);

test('readers and idempotent producers through kill -9', { timeout: 60_000 + ROUNDS * 15_000 }, async (context) => {
  context.diagnostic(await readersUnderFire({ rounds: ROUNDS, readers: 17, producers: 10 }));
});
