/** Proves that settings which the library would refuse are refused by the names that a URI gives them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../../test/kit/manual-clock.ts';
import { parseUri } from '../../uri.ts';
import { KAFKA_FORM, type KafkaSettings, kafkaSettings } from './library.ts';

function settingsOf(text: string): KafkaSettings {
  const uri = parseUri(text, KAFKA_FORM);
  return kafkaSettings({ uri, clock: new ManualClock(), random: () => 0.5, clientId: 'test', library: {} });
}

test('a heartbeat longer than the session is refused, and follows a short session by itself', () => {
  assert.throws(() => settingsOf('kafka://a?session-timeout-ms=200&heartbeat-ms=500'), {
    code: 'CLIENT_URI_INVALID',
    message: /heartbeat-ms is 500, longer than session-timeout-ms with 200/,
  });
  assert.equal(settingsOf('kafka://a?session-timeout-ms=200').heartbeatMs, 67);
});
