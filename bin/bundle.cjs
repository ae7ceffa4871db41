/**
 * Finds the bundle of the command line in a checkout: its modules and the packages of every start in a few files, which
 * Node.js loads in half the time (`scripts/bundle.ts` makes it). It is used as long as it was made of the very sources there: after an
 * edit the sources run, until `npm start` or `npm test` makes a new one.
 *
 * Plain old CommonJS, like the bootstrap that asks.
 */
'use strict';

const fs = require('fs');
const path = require('path');

/** @returns the file to import for a program, or undefined where its own modules are to be loaded. */
function bundledEntry(root, entry) {
  const manifest = readManifest(root);
  if (manifest === undefined || manifest.entries.indexOf(entry) < 0 || !isCurrent(root, manifest)) return undefined;
  const file = path.join(root, '.runtime', manifest.directory, entry + '.mjs');
  return fs.existsSync(file) ? file : undefined;
}

/** @param renew whether one of other sources than those here is as good as none. */
function needsBundle(root, renew) {
  const manifest = readManifest(root);
  return manifest === undefined || (renew && !isCurrent(root, manifest));
}

/** Where no bundle can be made, so that not every command tries again. */
function writeNone(root) {
  fs.writeFileSync(manifestFile(root), JSON.stringify({ directory: '', entries: [], sources: [] }));
}

/** Every source has the size and the time it had when the bundle was made. With 600 of them, `path.join` alone took 10 ms. */
function isCurrent(root, manifest) {
  return manifest.sources.every(function (source) {
    const found = fs.statSync(root + '/' + source[0], { throwIfNoEntry: false });
    return found !== undefined && found.size === source[1] && found.mtimeMs === source[2];
  });
}

function readManifest(root) {
  try {
    return JSON.parse(fs.readFileSync(manifestFile(root), 'utf8'));
  } catch (error) {
    // None, or one that was cut off.
    return undefined;
  }
}

function manifestFile(root) {
  return path.join(root, '.runtime', 'bundle.json');
}

module.exports = { bundledEntry: bundledEntry, needsBundle: needsBundle, writeNone: writeNone };
