/** Tests of librdkafka's own suite that must pass: `librdkafka-allow-list.json`, which only grows. */
import { readFileSync } from 'node:fs';
import type { LibrdkafkaTest } from './librdkafka-suite.ts';

const FILE = new URL('librdkafka-allow-list.json', import.meta.url);

export const librdkafkaAllowList: readonly LibrdkafkaTest[] = JSON.parse(
  readFileSync(FILE, 'utf8'),
) as LibrdkafkaTest[];
