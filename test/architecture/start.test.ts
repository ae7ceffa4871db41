/**
 * Proves that a start on the defaults loads no module that it can do without: what only some brokers or later requests use
 * is imported where it is used. Each module costs a start a quarter of a millisecond, a library of many files far more.
 */
import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ROOT } from './source-tree.ts';

/** Of ours. Whoever has to raise it says in the commit why a start cannot do without. */
const MOST_MODULES = 397;

/** Files and directories, and when they are loaded instead. */
const LATER: readonly (readonly [place: string, when: string])[] = [
  ['src/listeners/kafka/handlers/', 'with the first request of an API'],
  ['src/wire/messages/', 'with the handlers'],
  ['src/wire/apis.ts', 'never by a broker: it has the tables of all APIs'],
  ['src/listeners/ws/connection.ts', 'with the first WebSocket'],
  ['node_modules/ws/', 'with the first WebSocket'],
  ['src/listeners/http/openapi/document.ts', 'when the document is asked for'],
  ['src/server/metrics/metric-tables.ts', 'with the registry'],
  ['node_modules/@prometheus-io/', 'soon after the start, or when /metrics is asked for'],
  ['node_modules/typebox/', 'soon after the start, or with the first request that has a schema'],
  ['src/tier/', 'where tier.store is set'],
  ['src/server/tier/', 'where tier.store is set'],
  ['src/server/encryption/', 'where encryption.key.source is set'],
  ['node_modules/@platformatic/', 'when something is compressed with Snappy or LZ4'],
];

test('a start loads only what it needs', { timeout: 60_000 }, async () => {
  const loaded: string[] = [];
  const hooks = registerHooks({
    load(url, context, nextLoad) {
      if (url.startsWith('file:')) loaded.push(path.relative(ROOT, fileURLToPath(url)).split(path.sep).join('/'));
      return nextLoad(url, context);
    },
  });
  const { openBroker } = await import('../../src/server/open-broker.ts');
  const broker = await openBroker();
  const atReady = loaded.slice();
  hooks.deregister();
  await broker.close();
  const early = LATER.flatMap(([place, when]) =>
    atReady.filter((file) => file.startsWith(place)).map((file) => `${file} is to be loaded ${when}`),
  );
  assert.deepEqual(early, []);
  const own = atReady.filter((file) => file.startsWith('src/'));
  assert.ok(own.length > 100, 'the hook has seen the modules');
  assert.ok(own.length <= MOST_MODULES, `${own.length} modules of ours, at most ${MOST_MODULES}:\n${own.join('\n')}`);
});
