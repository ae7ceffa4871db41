/**
 * Makes the bundle of a checkout's command line in .runtime/, which `bin/bundle.cjs` finds: one file for what every command
 * needs, and one for each part that is imported when it is needed. Neither minified nor mapped: names in a stack trace are
 * those of the sources, and a comment in front of each module's part says where it is from.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = path.join(ROOT, 'src');
const RUNTIME = path.join(ROOT, '.runtime');
/** Programs of `bin/`, below the sources. */
const ENTRIES = ['cli/main'];
/** Packages that every broker loads come in, with what they need; all others stay what they are, found in node_modules. */
const PACKAGES = ['commander', 'fastify'];
const DIRECTORY_PREFIX = 'bundle-';
/** Directory of the files that are no entry. */
const PARTS = 'parts';
/** Bundles that are kept: a command that runs from the one before may still load parts of it. */
const KEPT = 2;

await bundleCheckout();

async function bundleCheckout(): Promise<void> {
  const startedAt = Date.now();
  const directory = `${DIRECTORY_PREFIX}${startedAt}-${process.pid}`;
  mkdirSync(path.join(RUNTIME, directory), { recursive: true });
  const modules = await bundleInto(path.join(RUNTIME, directory));
  const sources = [...modules, path.join(ROOT, 'package-lock.json'), fileURLToPath(import.meta.url)];
  writeManifest(directory, sources, startedAt);
  removeOldOnes();
}

/** @returns paths of our modules in the bundle; those of packages change with the lock file. */
async function bundleInto(to: string): Promise<string[]> {
  const problems: string[] = [];
  const isOutside = packagesOutside();
  const bundle = await rolldown({
    input: Object.fromEntries(ENTRIES.map((entry) => [entry, path.join(SOURCES, `${entry}.ts`)])),
    platform: 'node',
    external: (id, importer) => isBare(id) && (isBuiltin(id) || isOutside(packageOf(id), importer)),
    plugins: [urlsOfModules(path.join(to, PARTS))],
    onLog: (_, { message }) => problems.push(message),
  });
  const { output } = await bundle.write({
    dir: to,
    format: 'esm',
    entryFileNames: '[name].mjs',
    chunkFileNames: `${PARTS}/[name]-[hash].mjs`,
  });
  await bundle.close();
  if (problems.length > 0) throw new Error(['the bundler found problems', ...problems].join('\n'));
  return output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds.filter(isOurs) : []));
}

function isOurs(file: string): boolean {
  return file.startsWith(SOURCES + path.sep);
}

function isBare(id: string): boolean {
  return !id.startsWith('.') && !path.isAbsolute(id);
}

function packageOf(id: string): string {
  return id.split('/', id.startsWith('@') ? 2 : 1).join('/');
}

/** What a package that comes in needs comes with it, unless modules of ours load it from its own place. */
function packagesOutside(): (name: string, importer: string | undefined) => boolean {
  const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { dependencies: object };
  const ours = new Set(Object.keys(manifest.dependencies));
  return (name, importer) => !PACKAGES.includes(name) && (ours.has(name) || importer === undefined || isOurs(importer));
}

/**
 * Workers, pages and the package's manifest are found from where a module was, not from where the bundle is.
 * @param besides directory of a file of the bundle: all of them are equally deep.
 */
function urlsOfModules(besides: string): Plugin {
  return {
    name: 'urls-of-modules',
    transform(code, id) {
      if (!isOurs(id) || !code.includes('import.meta.url')) return undefined;
      const relative = path.relative(besides, id).split(path.sep).join('/');
      return code.replaceAll('import.meta.url', `new URL(${JSON.stringify(relative)}, import.meta.url).href`);
    },
  };
}

/** By its size and its time a source is known to be the one that was bundled. */
function writeManifest(directory: string, files: readonly string[], startedAt: number): void {
  const sources = files.map((file) => {
    const { size, mtimeMs } = statSync(file);
    const name = path.relative(ROOT, file).split(path.sep).join('/');
    if (mtimeMs >= startedAt) throw new Error(`${name} was changed while it was bundled: bundle again`);
    return [name, size, mtimeMs];
  });
  const draft = path.join(RUNTIME, `${directory}.json`);
  writeFileSync(draft, JSON.stringify({ directory, entries: ENTRIES, sources }));
  renameSync(draft, path.join(RUNTIME, 'bundle.json'));
}

function removeOldOnes(): void {
  const bundles = readdirSync(RUNTIME).filter((name) => name.startsWith(DIRECTORY_PREFIX));
  for (const old of bundles.sort().slice(0, -KEPT)) rmSync(path.join(RUNTIME, old), { recursive: true, force: true });
}
