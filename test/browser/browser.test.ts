/**
 * Proves that the SDK for browsers is small, needs nothing of Node.js and works in a real browser against a real broker: it
 * produces, follows, goes on after the broker was killed and after the page was reloaded (examples/browser.html).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { connect, json } from '../../src/sdk/index.ts';
import { type BrowserBundle, bundleForBrowsers } from '../kit/browser-bundle.ts';
import { Chromium } from '../kit/chromium.ts';
import { MillraceProcess } from '../kit/millrace-process.ts';
import { requireTool } from '../kit/tools.ts';

/** Issue: what a page may cost. */
const MAX_GZIP_BYTES = 25_000;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(`${ROOT}/examples/browser.html`);

test('the bundle is one file without built-ins of Node.js, and below 25 KB gzipped', { timeout: 60_000 }, async (t) => {
  const { code, imports } = await bundleForBrowsers();
  assert.deepEqual(imports, []);
  assert.doesNotMatch(code, /["'`]node:|\brequire\(|\bprocess\./);
  const sizeBytes = gzipSync(code, { level: 9 }).length;
  t.diagnostic(`${code.length} bytes, ${sizeBytes} gzipped`);
  assert.ok(sizeBytes < MAX_GZIP_BYTES, `${sizeBytes} bytes`);
  const manifest = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as {
    exports: { '.': { browser: { default: string } } };
  };
  // What bundlers of programs take is what was bundled here.
  assert.equal(manifest.exports['.'].browser.default, './dist/client/browser.js');
});

test('a page produces, follows and resumes', { timeout: 120_000 }, async (t) => {
  const program = requireTool(t, 'chromium');
  if (program === undefined) return;
  await using broker = await MillraceProcess.start({ extra: ['--cors', '*'] });
  await using pages = await PageServer.start(await bundleForBrowsers());
  await using browser = await Chromium.start(program);
  const page = await browser.open(`${pages.url}/browser.html?broker=${broker.http}`);
  const state = "document.querySelector('#state')?.textContent";
  const lines = "[...document.querySelectorAll('li')].map((line) => line.textContent)";
  const send = async (text: string): Promise<void> => {
    await page.evaluate(`(() => {
      const form = document.querySelector('form');
      form.elements.text.value = ${JSON.stringify(text)};
      form.requestSubmit();
    })()`);
  };

  await page.until(`${state} === 'reading from the start'`);
  await send('one');
  await page.until(`${lines}.length === 1`);
  // The empty input says that the receipt is there.
  await page.until("document.querySelector('form').elements.text.value === ''");

  await broker.kill9();
  await send('two, while the broker is away');
  await broker.start();
  await page.until(`${lines}.length === 2`);

  await page.reload();
  await page.until(`${state} === 'reading from 2'`);
  await send('three');
  await page.until(`${lines}.length === 1`);
  assert.deepEqual(await page.evaluate(lines), ['three'], 'what was shown before is not shown again');

  // The page's own view against another's, over the Kafka protocol: each line once, nothing else.
  await using client = await connect(`kafka://${broker.kafka}/demo.chat`);
  await using consumer = await client.consumer({ from: 'earliest', until: 'end', value: json<{ text: string }>() });
  const kept: string[] = [];
  for await (const { value } of consumer) kept.push(value.text);
  assert.deepEqual(kept, ['one', 'two, while the broker is away', 'three']);
});

test('in a page: codecs, keys, headers, seek, ends, admin, and errors with their codes', {
  timeout: 60_000,
}, async (t) => {
  const program = requireTool(t, 'chromium');
  if (program === undefined) return;
  await using pages = await PageServer.start(await bundleForBrowsers());
  await using broker = await MillraceProcess.start({ extra: ['--cors', pages.url] });
  await using browser = await Chromium.start(program);
  const page = await browser.open(`${pages.url}/blank.html`);
  await page.until("document.readyState === 'complete' && location.protocol === 'http:'");
  const seen = await page.evaluate(`(async () => {
    const { connect, json, string, raw } = await import('./millrace.js');
    const client = await connect('http://${broker.http}/t');
    await client.admin.createTopic('t', { partitions: 2 });
    const producer = await client.producer({ value: json(), lingerMs: 5 });
    const receipts = await producer.sendAll(
      Array.from({ length: 3000 }, (_, i) => ({ key: 'k' + i, value: { i, text: 'ä€😀' }, headers: { h: String(i) } })),
    );
    const consumer = await client.consumer({ from: 'earliest', until: 'end', value: json() });
    const values = new Set();
    let header;
    for await (const record of consumer) {
      values.add(record.value.i);
      if (record.key === 'k7') header = record.headers.get('h');
    }
    const code = async (work) => await work().then(() => 'none', (error) => error.code);
    const memory = await connect('memory://x/m');
    const own = await memory.producer({ value: string() });
    await own.send({ value: 'm' });
    const errors = [
      await code(() => connect('kafka://127.0.0.1:9092/t')),
      await code(() => connect('http://127.0.0.1:1/t')),
      await code(() => client.consumer({ topics: 'nowhere', value: raw() })),
      await code(() => client.consumer({ mode: 'load-balanced', group: 'g', value: raw() })),
    ];
    await client.close();
    return { receipts: receipts.length, values: values.size, header, errors, topics: client.topics };
  })()`);
  assert.deepEqual(seen, {
    receipts: 3000,
    values: 3000,
    header: '7',
    errors: ['CLIENT_URI_INVALID', 'CLIENT_NETWORK', 'CLIENT_TOPIC_NOT_FOUND', 'CLIENT_UNSUPPORTED'],
    topics: ['t'],
  });
});

/** The page, the bundle and an empty page, on a port of their own: another origin than the broker's. */
class PageServer implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start({ code }: BrowserBundle): Promise<PageServer> {
    const files = new Map<string, readonly [type: string, body: string | Buffer]>([
      ['/browser.html', ['text/html', PAGE]],
      ['/blank.html', ['text/html', '<!doctype html><title>blank</title>']],
      ['/millrace.js', ['text/javascript', code]],
    ]);
    const server = createServer((request, response) => {
      const file = files.get(new URL(request.url ?? '/', 'http://page').pathname);
      if (file === undefined) response.writeHead(404).end();
      else response.writeHead(200, { 'content-type': `${file[0]}; charset=utf-8` }).end(file[1]);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new PageServer(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
