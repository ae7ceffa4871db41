/** Proves that the file that the registry names for an API is that API's, and that all of them can be loaded ahead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handledApi, loadHandlers, SERVED_APIS } from './registry.ts';

test('each API that is served has the handler of its name', async () => {
  await loadHandlers();
  const handled = SERVED_APIS.filter(({ name }) => name !== 'Produce' && name !== 'Fetch');
  assert.ok(handled.length > 35);
  for (const { key, name, minVersion, maxVersion } of handled) {
    const api = handledApi(key)?.handler?.api;
    assert.equal(api?.name, name);
    assert.equal(api?.key, key);
    assert.ok(api !== undefined && api.minVersion <= minVersion && maxVersion <= api.maxVersion, name);
  }
});
