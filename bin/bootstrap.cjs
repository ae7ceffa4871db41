/**
 * Starts a program of this package from a fresh clone on a machine with only Node.js, npm and git.
 *
 *   1. In a checkout: dependencies that are missing or older than package-lock.json are installed, and the sources bundled.
 *   2. Where the running Node.js is too old for Millrace, the platform's Node.js package from npm is put into .runtime/
 *      and the same script runs again under it. Standard streams, signals and the exit code pass through.
 *   3. The program is imported: in a checkout from the bundle, where that is of the very sources there (bundle.cjs), otherwise
 *      the sources; dist/ in a published package.
 *
 * Plain old CommonJS that parses on Node.js 12 and later: it must run in order to say what is too old. Modules of Node.js
 * that a usual start does without are loaded where they are needed: each costs every command milliseconds.
 * All messages go to stderr, because stdout belongs to the program.
 */
'use strict';

const fs = require('fs');
const os = require('os');
const path = require('path');
const url = require('url');
const bundle = require('./bundle.cjs');

const ROOT = path.join(__dirname, '..');
const RUNTIME = path.join(ROOT, '.runtime');
const RUNTIME_VERSION = '26.10.0';
/** Oldest Node.js that runs the sources unbuilt, as [major, minor]. */
const OLDEST_NODE = [22, 22];
/**
 * Blocking file calls run on libuv's pool, 4 threads by default. A few cold reads would occupy all of them, and the
 * journal's fdatasync, which every producer waits for, would queue behind.
 */
const THREAD_POOL_SIZE = '16';
/** Another process that installs at the same time is waited for this long. */
const INSTALL_WAIT_MS = 300000;
const WRAPPED = 'MILLRACE_WRAPPED';
/** Imports between our modules: more than the command line has before it loads a command, and less than a broker. */
const LARGE_GRAPH = 100;

/**
 * @param options.script file to run again under a newer Node.js.
 * @param options.entry module to import, below src/ or the root, without its ending.
 * @param options.args arguments of the program.
 * @param options.renew whether to bundle sources anew that were changed since they were bundled.
 */
function run(options) {
  const published = !fs.existsSync(path.join(ROOT, 'src'));
  try {
    if (published) requireNewNode();
    else if (process.env[WRAPPED] === undefined && installAll(options.renew)) return runUnderRuntime(options.script);
  } catch (error) {
    return fail(error);
  }
  guardAgainstOrphaning();
  importProgram(options, published);
}

function importProgram(options, published) {
  if (process.env.UV_THREADPOOL_SIZE === undefined) process.env.UV_THREADPOOL_SIZE = THREAD_POOL_SIZE;
  silenceExperimentalWarnings();
  const nodeModule = require('module');
  if (nodeModule.enableCompileCache !== undefined) nodeModule.enableCompileCache();
  let file = published || showsStacks(options.args) ? undefined : bundle.bundledEntry(ROOT, options.entry);
  if (file === undefined) {
    resolveOwnModules(nodeModule, published);
    file = entryFile(options.entry, published);
  }
  if (options.args[0] === 'serve') holdYoungHeap();
  process.argv = [process.argv[0], options.script].concat(options.args);
  import(url.pathToFileURL(file).href).catch(fail);
}

/**
 * Loading a broker would make V8's young generation grow to 8 MiB, and V8 takes back little of it. src/base/heap-bound.ts lets
 * it grow as far as a broker needs it.
 */
function holdYoungHeap() {
  require('v8').setFlagsFromString('--semi-space-growth-factor=1');
}

/** Whoever asks for stacks gets those of the sources. */
function showsStacks(args) {
  return process.env.MILLRACE_DEBUG !== undefined || args.indexOf('--debug') >= 0;
}

/**
 * Our modules name each other by the exact file, so that Node need not look for one (a fifth of the time to load all).
 * Everything else is resolved as ever, but while there is a hook at all, more slowly. So it goes when it has seen the
 * large graph of a command, whose modules are resolved in one go before the first of them, or a package of theirs, runs.
 */
function resolveOwnModules(nodeModule, published) {
  if (nodeModule.registerHooks === undefined) return;
  const own = url.pathToFileURL(path.join(ROOT, published ? 'dist' : 'src')).href + '/';
  const ending = published ? '.js' : '.ts';
  const format = published ? 'module' : 'module-typescript';
  // Older ones resolve a graph bit by bit.
  const inOneGo = nodeVersion()[0] >= 26;
  let resolved = 0;
  const hooks = nodeModule.registerHooks({
    resolve: function (specifier, context, nextResolve) {
      const from = context.parentURL;
      if (from === undefined || specifier[0] !== '.' || !specifier.endsWith(ending) || !from.startsWith(own)) {
        return nextResolve(specifier, context);
      }
      resolved += 1;
      if (resolved === LARGE_GRAPH && inOneGo) {
        queueMicrotask(function () {
          hooks.deregister();
        });
      }
      return { url: besides(from, specifier), format: format, shortCircuit: true };
    },
  });
}

/**
 * The URL of what a module of ours names. Not `new URL`, which takes ten times as long, a thousand times at a start: our
 * specifiers have `./` or `../` in front and nothing else that must be resolved.
 */
function besides(from, specifier) {
  let directory = from.lastIndexOf('/');
  let name = specifier[1] === '/' ? 2 : 0;
  for (; specifier.startsWith('../', name); name += 3) directory = from.lastIndexOf('/', directory - 1);
  return from.slice(0, directory + 1) + specifier.slice(name);
}

function entryFile(entry, published) {
  if (published) return path.join(ROOT, 'dist', entry + '.js');
  return path.join(ROOT, entry.indexOf('scripts/') === 0 ? '' : 'src', entry + '.ts');
}

/** Type stripping and node:sqlite are settled in Node.js 24 and announced as experiments by 22. */
function silenceExperimentalWarnings() {
  if (nodeVersion()[0] >= 24) return;
  const emitWarning = process.emitWarning;
  process.emitWarning = function (warning, type) {
    const name = type !== null && typeof type === 'object' ? type.type : type;
    if (name !== 'ExperimentalWarning') emitWarning.apply(process, arguments);
  };
}

// Node.js versions

function nodeVersion() {
  return process.versions.node.split('.').map(Number);
}

function isNewEnough() {
  const version = nodeVersion();
  return version[0] > OLDEST_NODE[0] || (version[0] === OLDEST_NODE[0] && version[1] >= OLDEST_NODE[1]);
}

function requireNewNode() {
  if (isNewEnough()) return;
  throw new Error(
    'Millrace needs Node.js ' +
      OLDEST_NODE.join('.') +
      ' or later, and this is ' +
      process.versions.node +
      '. Install a newer Node.js.',
  );
}

// Installation

/** Returns whether the program has to run under the Node.js in .runtime/. */
function installAll(renew) {
  const needsRuntime = !isNewEnough();
  if (process.env.MILLRACE_NO_INSTALL !== undefined) return needsRuntime;
  const isComplete = function () {
    return dependenciesReady() && (!needsRuntime || runtimeReady()) && !bundle.needsBundle(ROOT, renew);
  };
  if (!isComplete()) {
    withInstallLock(function () {
      if (!dependenciesReady()) installDependencies();
      if (needsRuntime && !runtimeReady()) installRuntime();
      if (bundle.needsBundle(ROOT, renew)) makeBundle(needsRuntime ? runtimeBinary() : process.execPath);
    });
  }
  return needsRuntime;
}

function stampFile() {
  return path.join(ROOT, 'node_modules', '.millrace-installed');
}

/**
 * What node_modules must hold: the platform that optional packages were chosen for, and the lock file. All of its text,
 * because to hash it takes loading the module for that, a hundred times as long as to read and compare it.
 */
function wantedStamp() {
  const lock = fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8');
  return process.platform + ' ' + process.arch + '\n' + lock;
}

function dependenciesReady() {
  const wanted = wantedStamp();
  if (readOrNothing(stampFile()) === wanted) return true;
  if (!installedMatchesLock()) return false;
  // Somebody ran npm by hand and it did the job.
  fs.writeFileSync(stampFile(), wanted);
  return true;
}

/** Compares the lock file with the copy that npm keeps of what it has installed. */
function installedMatchesLock() {
  const text = readOrNothing(path.join(ROOT, 'node_modules', '.package-lock.json'));
  if (text === undefined) return false;
  const installed = JSON.parse(text).packages;
  const wanted = JSON.parse(fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages;
  return Object.keys(wanted).every(function (name) {
    if (name === '') return true;
    if (installed[name] === undefined) return wanted[name].optional === true && !isBuiltForThisPlatform(wanted[name]);
    return installed[name].version === wanted[name].version;
  });
}

/**
 * Packages for another libc stay out as well, so a package that names one counts as not ours. One that names nothing is
 * needed by a package of another platform only, where npm left it out.
 */
function isBuiltForThisPlatform(entry) {
  if (entry.libc !== undefined || (!entry.os && !entry.cpu)) return false;
  return (!entry.os || entry.os.indexOf(process.platform) >= 0) && (!entry.cpu || entry.cpu.indexOf(process.arch) >= 0);
}

function installDependencies() {
  say('installing dependencies (npm ci, once)...');
  npm(['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], 'the dependencies');
  fs.writeFileSync(stampFile(), wantedStamp());
}

function runtimePackage() {
  return 'node-' + (process.platform === 'win32' ? 'win' : process.platform) + '-' + process.arch;
}

function runtimeBinary() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  return path.join(RUNTIME, 'node_modules', runtimePackage(), 'bin', name);
}

function runtimeReady() {
  const text = readOrNothing(path.join(RUNTIME, 'node_modules', runtimePackage(), 'package.json'));
  return text !== undefined && JSON.parse(text).version === RUNTIME_VERSION && fs.existsSync(runtimeBinary());
}

function installRuntime() {
  const name = runtimePackage() + '@' + RUNTIME_VERSION;
  say(
    'Node.js ' + process.versions.node + ' is too old to run Millrace; fetching ' + name + ' into .runtime/ (once)...',
  );
  const options = ['--no-save', '--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
  npm(['install', '--prefix', RUNTIME].concat(options, [name]), name);
}

/** What cannot be bundled runs all the same, and starts in twice the time. */
function makeBundle(node) {
  const script = path.join(ROOT, 'scripts', 'bundle.ts');
  const options = { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' };
  const result = require('child_process').spawnSync(node, ['--disable-warning=ExperimentalWarning', script], options);
  if (result.status === 0) return;
  say('the sources could not be bundled, so commands start more slowly (node scripts/bundle.ts tries again):');
  process.stderr.write(result.error === undefined ? result.stderr : result.error.message + '\n');
  bundle.writeNone(ROOT);
}

/** Runs npm with its output on our stderr. */
function npm(args, what) {
  const script = process.env.npm_execpath;
  const viaNode = script !== undefined && path.basename(script) === 'npm-cli.js';
  const onWindows = process.platform === 'win32';
  const command = viaNode ? process.execPath : onWindows ? 'npm.cmd' : 'npm';
  const result = require('child_process').spawnSync(command, viaNode ? [script].concat(args) : args, {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
    shell: !viaNode && onWindows,
  });
  if (result.error !== undefined && result.error.code === 'ENOENT') {
    throw new Error(
      'npm was not found in PATH; it is needed once, to install ' + what + '. Install npm and try again.',
    );
  }
  if (result.error !== undefined) throw result.error;
  if (result.signal !== null)
    throw new Error('npm was stopped by ' + result.signal + ' while it installed ' + what + '.');
  if (result.status !== 0) {
    throw new Error(
      'npm could not install ' +
        what +
        ' (exit code ' +
        result.status +
        ', its messages stand above). ' +
        'Check the network connection and the registry that npm is configured to use, then try again.',
    );
  }
}

/** Two commands started at once in a fresh clone must not install over each other. */
function withInstallLock(work) {
  const lock = path.join(RUNTIME, 'install.lock');
  const deadline = Date.now() + INSTALL_WAIT_MS;
  let told = false;
  try {
    fs.mkdirSync(RUNTIME, { recursive: true });
  } catch (error) {
    throw new Error(
      'Cannot write to ' + ROOT + ' (' + error.code + '); dependencies are installed there on first use.',
    );
  }
  for (;;) {
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (!isAlive(Number(readOrNothing(lock)))) fs.rmSync(lock, { force: true });
      else if (Date.now() > deadline) {
        throw new Error(
          'Another process (pid ' +
            readOrNothing(lock) +
            ') has been installing for minutes; if it is gone, remove ' +
            lock +
            '.',
        );
      } else {
        if (!told) say('waiting for another process that installs...');
        told = true;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      }
    }
  }
  try {
    work();
  } finally {
    fs.unlinkSync(lock);
  }
}

function isAlive(pid) {
  // The holder may not have written its number yet.
  if (!(pid > 0)) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

// The newer Node.js

/**
 * There is no exec in an old Node.js, so this process stays as a thin parent. The child gets a session of its own:
 * otherwise Ctrl-C would reach it twice, once from the terminal and once from here.
 */
function runUnderRuntime(script) {
  const binary = runtimeBinary();
  const env = Object.assign({}, process.env);
  env[WRAPPED] = '1';
  env.PATH = path.dirname(binary) + path.delimiter + (env.PATH || '');
  const child = require('child_process').spawn(binary, [script].concat(process.argv.slice(2)), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: process.platform !== 'win32',
    env: env,
  });
  child.on('error', function (error) {
    fail(
      new Error(
        'Cannot run ' +
          binary +
          ' (' +
          error.code +
          '). Install Node.js ' +
          OLDEST_NODE.join('.') +
          ' or later and try again.',
      ),
    );
  });
  const forwarded = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'];
  const handlers = forwarded.map(function (signal) {
    const handler = function () {
      child.kill(signal);
    };
    process.on(signal, handler);
    return [signal, handler];
  });
  process.on('SIGTSTP', function () {
    child.kill('SIGSTOP');
    process.kill(process.pid, 'SIGSTOP');
  });
  child.on('exit', function (code, signal) {
    if (signal === null) return process.exit(code);
    handlers.forEach(function (pair) {
      process.removeListener(pair[0], pair[1]);
    });
    // Ends this process by the same signal, so that the caller sees what happened; the exit code is for where it cannot.
    process.exitCode = 128 + (os.constants.signals[signal] || 0);
    process.kill(process.pid, signal);
  });
}

/** When the thin parent is killed outright the channel closes; the program then stops, instead of holding its ports. */
function guardAgainstOrphaning() {
  if (process.env[WRAPPED] === undefined) return;
  delete process.env[WRAPPED];
  if (process.channel === undefined || process.channel === null) return;
  process.on('disconnect', function () {
    process.kill(process.pid, 'SIGTERM');
  });
  process.channel.unref();
}

function readOrNothing(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function say(message) {
  process.stderr.write('millrace: ' + message + '\n');
}

function fail(error) {
  process.stderr.write('millrace: ' + (process.env.MILLRACE_DEBUG ? error.stack : error.message) + '\n');
  process.exitCode = 1;
}

module.exports = { run: run };
