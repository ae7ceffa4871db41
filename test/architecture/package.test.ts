/**
 * Proves that what is published can be installed without running scripts, without a compiler and from any registry,
 * and that every dependency of the product loads when installed so (the bootstrap and CI install with --ignore-scripts).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { missingEntries } from '../../scripts/complete-lock.ts';
import { ROOT } from './source-tree.ts';

interface Manifest {
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
  readonly files: readonly string[];
}

interface LockEntry {
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
  readonly resolved?: string;
  readonly optionalDependencies?: Record<string, string>;
}

const manifest = readJson('package.json') as Manifest;
const lock = readJson('package-lock.json') as { packages: Record<string, LockEntry> };

test('every dependency loads after an install without scripts', { timeout: 60_000 }, async () => {
  for (const name of Object.keys(manifest.dependencies)) {
    const loaded = (await import(name)) as object;
    assert.notEqual(Object.keys(loaded).length, 0, `${name} exports something`);
  }
});

test('no package of the product has an install script', () => {
  const scripted = Object.entries(lock.packages).filter(
    ([name, entry]) => name !== '' && entry.hasInstallScript && !entry.dev,
  );
  assert.deepEqual(
    scripted.map(([name]) => name),
    [],
  );
});

test('versions are exact and the lock file names no registry', () => {
  const versions = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  assert.deepEqual(
    versions.filter(([, version]) => !/^(npm:.+@)?\d+\.\d+\.\d+/.test(version)),
    [],
  );
  assert.deepEqual(
    Object.entries(lock.packages)
      .filter(([, entry]) => entry.resolved !== undefined)
      .map(([name]) => name),
    [],
  );
});

test('the lock file has every platform package, or npm ci refuses it (scripts/complete-lock.ts adds them)', () => {
  assert.deepEqual(Object.keys(missingEntries(lock)), []);
});

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(path.join(ROOT, name), 'utf8'));
}
