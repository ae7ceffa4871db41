/**
 * node-rdkafka (librdkafka with JavaScript bindings), compiled into a scratch folder outside the tree.
 *
 * It is never a devDependency: it has an install script and needs a C++ compiler for some minutes. The result is kept by
 * version and by Node ABI (scratch.ts).
 */
import { existsSync, realpathSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { buildOnce, buildStep, isComplete, scratchDirectory } from './scratch.ts';

const RDKAFKA_VERSION = '3.6.1';
/** Runs the e2e suite that the package carries. */
const MOCHA_VERSION = '11.7.4';

export interface RdkafkaInstall {
  /** Folder of the package node-rdkafka: sources, `e2e/`, `deps/librdkafka/`. */
  readonly packageDirectory: string;
  /** Scratch folder; its node_modules has mocha too. */
  readonly directory: string;
}

/** @returns what is already built for this Node, or undefined. */
function findRdkafka(): RdkafkaInstall | undefined {
  const install = location();
  return isComplete(install.directory, install.packageDirectory) ? install : undefined;
}

/**
 * Builds node-rdkafka unless it is there; 2 to 5 minutes on two cores.
 *
 * @throws Error with the end of npm's output where it cannot be built (no compiler, no registry).
 */
export function installRdkafka(say: (line: string) => void): RdkafkaInstall {
  const found = findRdkafka();
  if (found !== undefined) return found;
  const install = location();
  say(`building node-rdkafka ${RDKAFKA_VERSION} in ${install.directory}; this takes some minutes`);
  buildOnce(install.directory, install.packageDirectory, () => {
    writeFileSync(path.join(install.directory, 'package.json'), '{ "private": true }\n');
    const packages = [`node-rdkafka@${RDKAFKA_VERSION}`, `mocha@${MOCHA_VERSION}`];
    const flags = ['--save-exact', '--no-audit', '--no-fund', '--foreground-scripts'];
    buildStep(install.directory, 'npm', ['install', ...flags, ...packages], buildEnvironment());
  });
  return install;
}

/** Loads the compiled client. */
export function loadRdkafka(install: RdkafkaInstall): unknown {
  return createRequire(path.join(install.directory, 'package.json'))('node-rdkafka');
}

function location(): RdkafkaInstall {
  const directory = scratchDirectory(`node-rdkafka-${RDKAFKA_VERSION}-abi${process.versions.modules}`);
  return { directory, packageDirectory: path.join(directory, 'node_modules/node-rdkafka') };
}

/** The headers that lie beside the running Node are used, where they do: node-gyp would download them otherwise. */
function buildEnvironment(): NodeJS.ProcessEnv {
  const nodeHome = path.dirname(path.dirname(realpathSync(process.execPath)));
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${path.dirname(process.execPath)}:${process.env['PATH']}` };
  if (existsSync(path.join(nodeHome, 'include/node/node_version.h'))) env['npm_config_nodedir'] = nodeHome;
  return env;
}
