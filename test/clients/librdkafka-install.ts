/**
 * librdkafka with the integration tests of its makers, compiled into a scratch folder outside the tree.
 *
 * The sources come in the npm package of a client that bundles them; nothing of the package but that folder is used, and
 * none of it is ever part of this tree. Needs npm, make, gcc, g++ and the headers below, which are installed where root
 * and apt are there. Compiled without optimization: the tests wait more than they compute, and it halves the time.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { installDebianPackages } from '../kit/tools.ts';
import { buildOnce, buildStep, isComplete, scratchDirectory } from './scratch.ts';

/** npm package and version, and the version of librdkafka inside. */
const LIBRDKAFKA = { package: '@confluentinc/kafka-javascript@1.10.1', version: '2.15.1' } as const;

/** Debian packages by a file of theirs; without the last two some tests have nothing to test (zstd, statistics). */
const HEADERS = {
  '/usr/include/openssl/ssl.h': 'libssl-dev',
  '/usr/include/zlib.h': 'zlib1g-dev',
  '/usr/include/zstd.h': 'libzstd-dev',
  '/usr/include/rapidjson/rapidjson.h': 'rapidjson-dev',
} as const;

export interface LibrdkafkaInstall {
  /** Where `test-runner` is and must run: it loads what lies around it. */
  readonly testsDirectory: string;
}

/**
 * Builds the library and its test runner unless they are there; 2 to 4 minutes on two cores.
 *
 * @throws Error with the end of the output where it cannot be built (no compiler, no registry).
 */
export function installLibrdkafka(say: (line: string) => void): LibrdkafkaInstall {
  const { directory, install } = location();
  if (isComplete(directory, install.testsDirectory)) return install;
  say(`building librdkafka ${LIBRDKAFKA.version} and its tests in ${directory}; this takes some minutes`);
  installHeaders(say);
  buildOnce(directory, install.testsDirectory, () => {
    const source = path.join(directory, 'package/deps/librdkafka');
    buildStep(directory, 'npm', ['pack', '--silent', LIBRDKAFKA.package]);
    const tarball = readdirSync(directory).find((file) => file.endsWith('.tgz'));
    if (tarball === undefined) throw new Error(`npm pack left nothing in ${directory}`);
    mkdirSync(path.join(directory, 'package'), { recursive: true });
    buildStep(directory, 'tar', ['-xzf', tarball]);
    const flags = ['--disable-optimization', '--disable-debug-symbols', '--disable-gssapi', '--disable-lz4-ext'];
    buildStep(source, './configure', flags);
    buildStep(source, 'make', ['-j2', 'libs']);
    buildStep(source, 'make', ['-j2', '-C', 'tests', 'build']);
  });
  return install;
}

/** They stand elsewhere on other systems: what is missing then is the build's to say. */
function installHeaders(say: (line: string) => void): void {
  const missing = Object.entries(HEADERS).filter(([file]) => !existsSync(file));
  installDebianPackages(
    missing.map(([, name]) => name),
    say,
  );
}

function location(): { directory: string; install: LibrdkafkaInstall } {
  const directory = scratchDirectory(`librdkafka-${LIBRDKAFKA.version}`);
  return { directory, install: { testsDirectory: path.join(directory, 'package/deps/librdkafka/tests') } };
}
