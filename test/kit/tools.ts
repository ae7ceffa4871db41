/**
 * Programs from Debian packages that tests use: kcat, redis-server and the like.
 *
 * `npm test` installs what is missing where it may (root and apt). Elsewhere a test that needs one skips with a line
 * nobody overlooks; with CI=true it fails, so that CI never passes by skipping.
 */
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';

/** Program to the Debian package that holds it. Add a row for each program that a test needs. */
const DEBIAN_TOOLS = {
  chromium: 'chromium',
  kcat: 'kcat',
  openssl: 'openssl',
  'redis-server': 'redis-server',
} as const satisfies Record<string, string>;

export type Tool = keyof typeof DEBIAN_TOOLS;

/**
 * Returns the program's path; skips (or, in CI, fails) the test where it is missing.
 *
 * ```ts
 * const kcat = requireTool(t, 'kcat');
 * if (kcat === undefined) return;
 * ```
 */
export function requireTool(t: TestContext, tool: Tool): string | undefined {
  const found = findTool(tool);
  if (found !== undefined) return found;
  const message = `${tool} is not installed (Debian package ${DEBIAN_TOOLS[tool]})`;
  if (process.env['CI'] === 'true') throw new Error(`${message}; CI must not skip tests`);
  t.skip(`SKIPPED LOUDLY: ${message}`);
  return undefined;
}

/** Absolute path of a program in PATH. */
export function findTool(name: string): string | undefined {
  for (const directory of (process.env['PATH'] ?? '').split(path.delimiter)) {
    const candidate = path.join(directory, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      // Not here; the next directory.
    }
  }
  return undefined;
}

/** @throws Error where it is missing. */
export function requiredTool(tool: Tool): string {
  const found = findTool(tool);
  if (found === undefined) throw new Error(`${tool} is not installed (Debian package ${DEBIAN_TOOLS[tool]})`);
  return found;
}

/** Installs what is missing, where root and apt are there. @returns lines for people about what is still missing. */
export function installMissingTools(say: (line: string) => void): string[] {
  const missing = (Object.keys(DEBIAN_TOOLS) as Tool[]).filter((tool) => findTool(tool) === undefined);
  installDebianPackages(
    missing.map((tool) => DEBIAN_TOOLS[tool]),
    say,
  );
  return missing
    .filter((tool) => findTool(tool) === undefined)
    .map((tool) => `${tool} (Debian package ${DEBIAN_TOOLS[tool]}) is missing: the tests that need it are skipped`);
}

/** Installs them where root and apt are there; a caller that needs what they hold finds out by looking for it. */
export function installDebianPackages(packages: readonly string[], say: (line: string) => void): void {
  if (packages.length === 0 || process.getuid?.() !== 0 || findTool('apt-get') === undefined) return;
  say(`installing Debian packages: ${packages.join(' ')}`);
  aptInstall(packages, say);
}

/** A fresh image has no package lists, so a failed attempt is repeated after an update. */
function aptInstall(packages: readonly string[], say: (line: string) => void): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args: string[]) =>
    execFileSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'pipe'], timeout: 300_000 });
  const install = () => apt('install', '-y', '-q', '--no-install-recommends', ...packages);
  try {
    install();
  } catch {
    try {
      apt('update', '-q');
      install();
    } catch (error) {
      say(`apt-get failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
