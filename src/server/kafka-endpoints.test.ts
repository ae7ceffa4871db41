/** Proves which addresses for Kafka clients are understood, what each is told, and that refusals say what is wrong. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseKafkaEndpoints } from './kafka-endpoints.ts';

test('one address or several, with names, IPv4 and IPv6', () => {
  assert.deepEqual(parseKafkaEndpoints('127.0.0.1:9092', undefined), [
    { name: 'kafka', host: '127.0.0.1', port: 9092, advertised: undefined },
  ]);
  assert.deepEqual(parseKafkaEndpoints('[::1]:0', 'kafka.example.org:443'), [
    { name: 'kafka', host: '::1', port: 0, advertised: { host: 'kafka.example.org', port: 443 } },
  ]);
  const several = parseKafkaEndpoints(
    'internal://10.0.0.1:9092, EXTERNAL://[::]:9093,local_2://localhost:9094',
    'external://[2001:db8::1]:9093',
  );
  assert.deepEqual(several, [
    { name: 'internal', host: '10.0.0.1', port: 9092, advertised: undefined },
    { name: 'external', host: '::', port: 9093, advertised: { host: '2001:db8::1', port: 9093 } },
    { name: 'local_2', host: 'localhost', port: 9094, advertised: undefined },
  ]);
  assert.deepEqual(parseKafkaEndpoints('a://h:1', 'x:2')[0]?.advertised, { host: 'x', port: 2 });
  assert.deepEqual(parseKafkaEndpoints('h:1', 'kafka://x:2')[0]?.advertised, { host: 'x', port: 2 });
});

test('what cannot be meant is refused in words', () => {
  const refusals: [string, string | undefined, RegExp][] = [
    ['a:1,b:2', undefined, /need names/],
    ['a://a:1,b:2', undefined, /need names/],
    ['a://a:1,A://b:2', undefined, /`a` stands there twice/],
    ['a://a:1,b://b:2', 'x:1', /--advertise.*need names/],
    ['a://a:1', 'b://x:1', /no address `b`.*\(a\)/],
    ['a://a:1,b://b:2', 'a://x:1,a://y:1', /twice/],
    ['a:1', 'x:0', /port 0/],
    ['a:1,', undefined, /HOST:PORT/],
    ['', undefined, /HOST:PORT/],
    ['1a://a:1', undefined, /HOST:PORT/],
    ['a://', undefined, /HOST:PORT/],
    ['::1:9092', undefined, /\[::1\]:9092/],
  ];
  for (const [listen, advertise, message] of refusals) {
    assert.throws(() => parseKafkaEndpoints(listen, advertise), { code: 'CONFIG_INVALID', message }, listen);
  }
});
