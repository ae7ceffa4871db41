/** Proves that each row of the registry loads the handler of its own API, and serves no version without a layout. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiOf } from '../../wire/apis.ts';
import { handledApi, SERVED_APIS, SERVED_FETCH, SERVED_PRODUCE } from './registry.ts';

test('each API is served by the handler of its row, in versions that its table has', async () => {
  for (const { key, name, minVersion, maxVersion } of SERVED_APIS) {
    const table = apiOf(key);
    assert.ok(table !== undefined && table.name === name, name);
    assert.ok(table.minVersion <= minVersion && minVersion <= maxVersion && maxVersion <= table.maxVersion, name);
    if (key === SERVED_PRODUCE.key || key === SERVED_FETCH.key) continue;
    const api = handledApi(key);
    await api?.load();
    assert.equal(api?.handler?.api, table, name);
  }
});
