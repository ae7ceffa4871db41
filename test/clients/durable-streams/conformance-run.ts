/** Run by vitest, in a process of its own (conformance.test.ts): the official suite against the server of the environment. */
import { runConformanceTests } from '@durable-streams/server-conformance-tests';

const baseUrl = process.env['CONFORMANCE_TEST_URL'];
if (baseUrl === undefined) throw new Error('CONFORMANCE_TEST_URL must name the server');

runConformanceTests({ baseUrl, subscriptions: true, longPollTimeoutMs: 20_000 });
