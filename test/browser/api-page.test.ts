/** Proves that the broker's own page shows every operation of the interface and sends what its forms say, follows included. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Chromium, type Page } from '../kit/chromium.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { requireTool } from '../kit/tools.ts';

/** Opens the form of an operation, fills it, sends it. */
async function use(page: Page, operation: string, fields: Record<string, string>): Promise<void> {
  await page.evaluate(`(() => {
    const details = [...document.querySelectorAll('details')].find((each) => each.dataset.words.startsWith(${JSON.stringify(operation)}));
    details.open = true;
    details.scrollIntoView();
    window.used = details;
  })()`);
  await page.until("window.used.querySelector('form') !== null");
  await page.evaluate(`(() => {
    const form = window.used.querySelector('form');
    for (const [name, value] of Object.entries(${JSON.stringify(fields)})) {
      form.elements[name].value = value;
      form.elements[name].dispatchEvent(new Event('input', { bubbles: true }));
    }
    form.requestSubmit();
  })()`);
}

const ANSWER = "window.used.querySelector('.answer').textContent";

test('every operation has a form; topics are made, written, followed and stopped from it', {
  timeout: 120_000,
}, async (t) => {
  const program = requireTool(t, 'chromium');
  if (program === undefined) return;
  await using broker = await MillraceProcess.start();
  const api = (await (await fetch(`http://${broker.http}/v1/openapi.json`)).json()) as {
    paths: Record<string, object>;
  };
  const count = Object.values(api.paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0);
  await using browser = await Chromium.start(program);
  // The root leads to the page.
  const page = await browser.open(`http://${broker.http}/`);
  await page.until(`document.querySelectorAll('details').length === ${count}`);

  await use(page, 'post /v1/topics create', { body: '{"name": "from/page"}' });
  await page.until(`${ANSWER}.startsWith('201')`);
  const hostile = '<img src=x onerror="window.broken = true">';
  const value = JSON.stringify({ value: hostile });
  await use(page, 'post /v1/topics/{name}/records', { 'path name': 'from/page', body: value });
  await page.until(`${ANSWER}.startsWith('200')`);
  assert.match(String(await page.evaluate("window.used.querySelector('pre').textContent")), /^curl -i -X POST -H /);

  const follow = { 'path name': 'from/page', 'query follow': 'true', 'query offset': 'earliest' };
  await use(page, 'get /v1/topics/{name}/records', follow);
  await page.until(`${ANSWER}.includes('onerror')`);
  assert.equal(await page.evaluate('window.broken === undefined'), true, 'records are shown as text');
  await fetch(`http://${broker.http}/v1/topics/from.page/records`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"value": "came later"}',
  });
  await page.until(`${ANSWER}.includes('came later')`);
  await page.evaluate("window.used.querySelectorAll('button')[1].click()");
  await page.until(`${ANSWER}.endsWith('(stopped)')`);

  await use(page, 'get /v1/topics/{name} one topic', { 'path name': 'no.such' });
  await page.until(`${ANSWER}.includes('BROKER_TOPIC_NOT_FOUND')`);
  await page.evaluate(
    "Object.assign(document.querySelector('#find'), { value: 'lineage' }).dispatchEvent(new Event('input'))",
  );
  assert.equal(
    await page.evaluate("[...document.querySelectorAll('details')].filter((each) => !each.hidden).length"),
    1,
  );
  assert.deepEqual(browser.complaints, []);
});
