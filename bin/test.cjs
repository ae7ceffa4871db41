'use strict';

// `npm test`: everything that is checked, in one command.
require('./bootstrap.cjs').run({ script: __filename, entry: 'scripts/test', args: process.argv.slice(2), renew: true });
