/**
 * Makes the bundle of a checkout's command line in .runtime/, which `bin/bundle.cjs` finds: one file for what every command
 * needs, one for each part that is imported when it is needed, and files of their own for worker threads. Neither minified nor
 * mapped: names in a stack trace are those of the sources, and a comment in front of each module's part says where it is from.
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
/** Directory of all files of workers. */
const WORKERS = 'workers';
/** Where a module starts a worker: see src/base/worker-module.ts. */
const WORKER_CALL = /workerModule\(import\.meta\.url, '([^']+)'\)/g;
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
  /** Sources of workers that were seen, by the names of their files. */
  const workers = new Map<string, string>();
  const entries = Object.fromEntries(ENTRIES.map((entry) => [entry, path.join(SOURCES, `${entry}.ts`)]));
  const modules = await bundlePart(to, entries, PARTS, workers);
  return [...modules, ...(await bundlePart(to, Object.fromEntries(workers), WORKERS, workers))];
}

async function bundlePart(
  to: string,
  input: Record<string, string>,
  chunks: string,
  workers: Map<string, string>,
): Promise<string[]> {
  const problems: string[] = [];
  const isOutside = packagesOutside();
  const bundle = await rolldown({
    input,
    platform: 'node',
    external: (id, importer) => isBare(id) && (isBuiltin(id) || isOutside(packageOf(id), importer)),
    plugins: [urlsOfModules(path.join(to, PARTS), workers)],
    onLog: (_, { message }) => problems.push(message),
  });
  const { output } = await bundle.write({
    dir: to,
    format: 'esm',
    entryFileNames: '[name].mjs',
    chunkFileNames: `${chunks}/[name]-[hash].mjs`,
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
 * Pages and the package's manifest are found from where a module was, not from where the bundle is; workers in the bundle.
 *
 * @param besides directory of a file of the bundle: all of them are equally deep.
 * @param workers gets those that the modules start.
 */
function urlsOfModules(besides: string, workers: Map<string, string>): Plugin {
  return {
    name: 'urls-of-modules',
    transform(code, id) {
      if (!isOurs(id) || !code.includes('import.meta.url')) return undefined;
      const url = moduleUrl(relativeUrl(besides, id));
      const parts = code.split(WORKER_CALL).map((part, i) => {
        if (i % 2 === 0) return part.replaceAll('import.meta.url', `${url}.href`);
        return workerUrl(path.join(path.dirname(id), `${part}.ts`), besides, workers);
      });
      return parts.join('');
    },
  };
}

/**
 * A bundle may be gone while a broker runs that began from it: then its workers run from the sources. Those of pipelines always do,
 * since modules of users run in them, which load these sources, too.
 */
function workerUrl(source: string, besides: string, workers: Map<string, string>): string {
  const fromSource = moduleUrl(relativeUrl(besides, source));
  const module = relativeUrl(SOURCES, source).slice(0, -'.ts'.length);
  if (module.startsWith('process/')) return fromSource;
  const name = `${WORKERS}/${module.replaceAll('/', '.')}`;
  workers.set(name, source);
  return `[${moduleUrl(`../${name}.mjs`)}, ${fromSource}].find((url) => process.getBuiltinModule('node:fs').existsSync(url))`;
}

/** As a path with slashes, wherever this runs. */
function relativeUrl(from: string, to: string): string {
  return path.relative(from, to).split(path.sep).join('/');
}

function moduleUrl(url: string): string {
  return `new URL(${JSON.stringify(url)}, import.meta.url)`;
}

/** By its size and its time a source is known to be the one that was bundled. */
function writeManifest(directory: string, files: readonly string[], startedAt: number): void {
  const sources = files.map((file) => {
    const { size, mtimeMs } = statSync(file);
    const name = relativeUrl(ROOT, file);
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
