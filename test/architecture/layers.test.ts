/**
 * Proves that the rooms of src/ stand in layers: no file imports upward, none is forgotten, and time and chance enter
 * through the clock alone. It reads the text of the sources, so it cannot see an import whose path is computed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findImports, findInCode, readSources, type SourceFile, withoutComments } from './source-tree.ts';

/** Room to the rooms below that it may import; docs/architecture.md draws the same table. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ['base'],
  wire: ['base', 'model'],
  journal: ['base', 'model'],
  store: ['base', 'model', 'journal'],
  tier: ['base', 'model', 'journal', 'store'],
  cluster: ['base', 'model', 'journal', 'store', 'tier'],
  broker: ['base', 'model', 'journal', 'store'],
  'listeners/kafka': ['base', 'model', 'journal', 'store', 'broker', 'listeners', 'wire'],
  'listeners/http': ['base', 'model', 'journal', 'store', 'broker', 'listeners'],
  // On the HTTP listener's port, with its form of records.
  'listeners/ws': ['base', 'model', 'journal', 'store', 'broker', 'listeners', 'listeners/http'],
  'listeners/quic': ['base', 'model', 'journal', 'store', 'broker', 'listeners', 'listeners/kafka', 'wire'],
  listeners: ['base', 'model', 'journal', 'store', 'broker'],
  server: [
    'base',
    'model',
    'journal',
    'store',
    'tier',
    'cluster',
    'broker',
    'listeners',
    'listeners/kafka',
    'listeners/http',
    'listeners/ws',
    'listeners/quic',
  ],
  // The broker without listeners, for programs that want its storage alone.
  log: ['base', 'model', 'journal', 'store', 'broker'],
  client: ['base', 'model', 'wire'],
  // Stands on the client's API, whichever back end it has.
  process: ['base', 'client'],
  // Event-sourced aggregates over the client's API.
  aggregate: ['base', 'client'],
  // Puts the embedded broker beside the client's back ends; nothing else may know both.
  sdk: ['base', 'client', 'server'],
  cli: ['base', 'model', 'wire', 'journal', 'store', 'tier', 'broker', 'server', 'client', 'process', 'sdk'],
};

/** Started by the runtime or by programs that embed Millrace, not by another file. */
const ENTRY_POINTS = [
  /^src\/cli\/main\.ts$/,
  /-main\.ts$/,
  /^src\/([\w-]+\/)*index\.ts$/,
  /^src\/client\/browser\.ts$/,
];

/** These rooms make the real clock, or stand above it; or the exception's reason. */
const MAY_READ_TIME = [
  /^src\/base\/clock\.ts$/,
  /^src\/server\//,
  /^src\/cli\//,
  // A default for programs that embed a broker; tests pass their own.
  /^src\/broker\/open-parts\.ts$/,
  // The real lock of the real disk: the time stands in a text for people and decides nothing.
  /^src\/journal\/directory-lock\.ts$/,
];
const TIME_AND_CHANCE =
  /\b(?:Date\.now|performance\.now|process\.hrtime|Math\.random)\b|\bnew Date\(\)|(?<![.\w])(?:setTimeout|setInterval)\(|\bset(?:Timeout|Interval)\b[^}]*\} from 'node:timers/g;

const sources = readSources('src');
const product = sources.filter((file) => !file.isTest);

test('no file imports from a layer above its own', () => {
  const upward = product.flatMap((file) =>
    file.imports.filter((target) => !isAllowed(file.name, target)).map((target) => `${file.name} imports ${target}`),
  );
  assert.deepEqual(upward, []);
});

test('every imported file exists', () => {
  const known = new Set(
    readSources('test')
      .concat(sources)
      .map((file) => file.name),
  );
  const missing = sources.flatMap((file) =>
    file.imports
      .filter((target) => target.startsWith('src/') && !known.has(target))
      .map((target) => `${file.name} imports ${target}`),
  );
  assert.deepEqual(missing, []);
});

test('product files import no test files', () => {
  const edges = product.flatMap((file) =>
    file.imports
      .filter((target) => target.startsWith('test/') || /\.(test|slice)\.ts$/.test(target))
      .map((target) => `${file.name} imports ${target}`),
  );
  assert.deepEqual(edges, []);
});

test('every file is imported by another, or is an entry point', () => {
  const imported = new Set(product.flatMap((file) => file.imports.filter((target) => target !== file.name)));
  const forgotten = product.filter(
    (file) => !imported.has(file.name) && !ENTRY_POINTS.some((entry) => entry.test(file.name)),
  );
  assert.deepEqual(names(forgotten), []);
});

test('time and chance come from the clock that is passed in', () => {
  const files = product.filter((file) => !MAY_READ_TIME.some((place) => place.test(file.name)));
  assert.deepEqual(
    files.flatMap((file) => findInCode(file, TIME_AND_CHANCE)),
    [],
  );
});

test('sources run unbuilt on the oldest supported Node.js, which has no `using` declarations', () => {
  assert.deepEqual(
    product.flatMap((file) => findInCode(file, /^\s*(?:await )?using \w+ =/gm)),
    [],
  );
});

test('the walker sees every form of import and no commented one', () => {
  const code = withoutComments(`
    import type { A } from './a.ts'; // import './not.ts'
    export { b } from "../b.ts";
    import './c.ts';
    const d = await import('./d.ts');
    new Worker(new URL('./e.ts', import.meta.url));
    new Worker(workerModule(import.meta.url, './g'));
    const url = 'https://example.org/x'; /* import './nor.ts' */ import { f } from
      './f.ts';
  `);
  assert.deepEqual(findImports('src/x/y.ts', code), [
    'src/x/a.ts',
    'src/b.ts',
    'src/x/c.ts',
    'src/x/d.ts',
    'src/x/e.ts',
    'src/x/f.ts',
    'src/x/g.ts',
  ]);
  assert.equal(isAllowed('src/base/x.ts', 'src/broker/y.ts'), false);
  assert.equal(isAllowed('src/listeners/http/x.ts', 'src/wire/y.ts'), false);
  assert.equal(isAllowed('src/broker/x.ts', 'src/base/y.ts'), true);
});

function isAllowed(from: string, to: string): boolean {
  // Reading a file of the repository (package.json, an example) is no edge between rooms.
  if (!to.startsWith('src/')) return true;
  const [fromRoom, toRoom] = [roomOf(from), roomOf(to)];
  return fromRoom === toRoom || (MAY_IMPORT[fromRoom] ?? []).includes(toRoom);
}

/** `src/listeners/http/x.ts` stands in `listeners/http`, `src/store/chunk/x.ts` in `store`. */
function roomOf(name: string): string {
  const [, room = '', next = ''] = name.split('/');
  return room === 'listeners' && !next.endsWith('.ts') ? `${room}/${next}` : room;
}

function names(files: readonly SourceFile[]): string[] {
  return files.map((file) => file.name);
}
