/** Proves how URIs are taken apart, and that every wrong part is named. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { booleanOption, hostsOf, numberOption, parseUri, schemeOf, type UriForm, wordOption } from './uri.ts';

const NODES: UriForm = { rest: 'topics', options: ['tls', 'n'], nodes: 'servers', credentials: true };
const FILE: UriForm = { rest: 'file', options: [], nodes: 'none', credentials: false };
const DIRECTORY: UriForm = { rest: 'directory', options: [], nodes: 'none', credentials: false };
const PIPE: UriForm = { rest: 'topics', options: [], nodes: 'none', credentials: false };
const MEMORY: UriForm = { rest: 'topics', options: [], nodes: 'name', credentials: false };

test('nodes, credentials, topics and options', () => {
  const uri = parseUri('kafka://us%40er:p:w@a:1,b/x,y?tls=true&topics=y,z', NODES);
  assert.deepEqual(
    [uri.scheme, uri.username, uri.password, uri.nodes, uri.topics, hostsOf(uri, 9092)],
    [
      'kafka',
      'us@er',
      'p:w',
      ['a:1', 'b'],
      ['x', 'y', 'z'],
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 9092 },
      ],
    ],
  );
  assert.equal(booleanOption(uri, 'tls', false), true);
  assert.equal(numberOption(uri, 'n', 5), 5);
  assert.ok(!uri.text.includes('p:w'), 'messages show no password');
  assert.deepEqual(parseUri('kafka://[::1]:9/', NODES).topics, []);
  assert.deepEqual(hostsOf(parseUri('kafka://[::1]:9', NODES), 1), [{ host: '::1', port: 9 }]);
});

test('files and directories', () => {
  const cases: [string, string, string[]][] = [
    ['file:///data/a.ss/x,y', '/data/a.ss', ['x', 'y']],
    ['file:///data/a.ss', '/data/a.ss', []],
    ['file://./dir/a.ss/x', './dir/a.ss', ['x']],
    ['file://dir/a.ss', 'dir/a.ss', []],
    ['file:///data/log/x', '/data/log', ['x']],
    ['file:///with%20space/a.ss/x', '/with space/a.ss', ['x']],
  ];
  for (const [text, path, topics] of cases) {
    const uri = parseUri(text, FILE);
    assert.deepEqual([uri.path, uri.topics], [path, topics], text);
  }
  assert.deepEqual(parseUri('millrace+dir:///data/x?topics=a', DIRECTORY).path, '/data/x');
});

test('a wrong part is named', () => {
  const cases: [() => unknown, RegExp][] = [
    [() => schemeOf('127.0.0.1:9092'), /scheme:\/\//],
    [() => schemeOf(''), /scheme:\/\//],
    [() => parseUri('kafka:///x', NODES), /name a node/],
    [() => parseUri('kafka://a/x?tsl=true', NODES), /no option "tsl".*topics, tls, n/],
    [() => parseUri('kafka://a/x?tls&tls', NODES), /given twice/],
    [() => parseUri('kafka://a/%zz', NODES), /percent-encoded/],
    [() => hostsOf(parseUri('kafka://a:99999', NODES), 1), /HOST:PORT/],
    [() => numberOption(parseUri('kafka://a?n=-1', NODES), 'n', 0), /option n must be a whole number/],
    [() => booleanOption(parseUri('kafka://a?tls=yes', NODES), 'tls', false), /true or false/],
    [() => wordOption(parseUri('kafka://a?n=x', NODES), 'n', ['a', 'b'], 'a'), /one of a, b/],
    [() => parseUri('file://', FILE), /name a path/],
    [() => schemeOf('kafka://a/x#y'), /%23/],
    [() => parseUri('stdio://clock', PIPE), /no nodes.*stdio:\/\/\/clock/],
    [() => parseUri('memory://a,b/t', MEMORY), /takes one name/],
    [() => parseUri('memory://user:pw@a/t', MEMORY), /no user and password/],
    [() => parseUri('file://user:pw@/a.ss', FILE), /no user and password/],
    [() => parseUri('millrace+dir://user@/data', DIRECTORY), /no user and password/],
  ];
  for (const [run, message] of cases) assert.throws(run, { code: 'CLIENT_URI_INVALID', message });
  for (const password of ['se#cret', 'se/cret', 'se@cret', 'se?cret', 'se:cret', '%zzsecret'])
    assert.throws(
      () => parseUri(`redis://user:${password}@host/t?none`, NODES),
      (error: Error) => !error.message.includes('cret'),
      password,
    );
});
