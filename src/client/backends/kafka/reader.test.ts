/**
 * Proves that a member of a group leaves it before the library under it closes. Closed in the middle of a join, the library goes
 * on with heartbeats for ever, and the process does not end; that needs an answer at an unlucky moment, so the library is a
 * stand-in here that notes what it is told.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { parseUri } from '../../uri.ts';
import { KAFKA_FORM, type KafkaLibrary, kafkaSettings } from './library.ts';
import { KafkaReader } from './reader.ts';

test('a member leaves its group before the library closes, and waits for neither without end', async () => {
  const told: string[] = [];
  const listeners = new Map<string, () => void>();
  const clock = new ManualClock();
  class Consumer {
    readonly topics = { trackAll: () => undefined };
    readonly assignments = [];
    readonly generationId = 1;
    on(name: string, listener: () => void): void {
      listeners.set(name, listener);
    }
    async metadata(): Promise<object> {
      return await Promise.resolve({ topics: new Map() });
    }
    async joinGroup(): Promise<void> {
      told.push('join');
      await Promise.resolve();
    }
    leaveGroup(): void {
      // And no answer: the broker is away.
      told.push('leave');
    }
    async close(): Promise<void> {
      told.push('close');
      await Promise.resolve();
    }
  }
  const uri = parseUri('kafka://a', KAFKA_FORM);
  const parts = {
    kafka: { Consumer } as unknown as KafkaLibrary,
    admin: undefined as never,
    settings: kafkaSettings({ uri, clock, random: () => 0.5, clientId: 'test', library: {} }),
    clock,
    loneGroup: 'lone',
  };
  const mode = { type: 'load-balanced', group: 'g' } as const;
  const reader = await KafkaReader.open(parts, { mode, topics: ['t'], from: { at: 'earliest' }, untilEnd: false });
  listeners.get('consumer:heartbeat:start')?.();
  assert.deepEqual(told, ['join'], 'a heartbeat of a member');
  const closing = reader.close();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, ['join', 'leave']);
  clock.advance(2000);
  await closing;
  assert.deepEqual(told, ['join', 'leave', 'close']);
  // The leave failed in the end, and the library thinks that it is a member.
  listeners.get('consumer:heartbeat:start')?.();
  assert.deepEqual(told, ['join', 'leave', 'close', 'leave']);
});
