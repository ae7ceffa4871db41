'use strict';

// `npm run docs`: the reference of the public entry points, docs/api/.
require('./bootstrap.cjs').run({ script: __filename, entry: 'scripts/docs', args: process.argv.slice(2) });
