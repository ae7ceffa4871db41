'use strict';

// `npm run build`: dist/, for publishing.
require('./bootstrap.cjs').run({ script: __filename, entry: 'scripts/build', args: process.argv.slice(2) });
