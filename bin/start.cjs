'use strict';

// `npm start`: the broker on its defaults, with the earthquake feed replayed into it.
require('./bootstrap.cjs').run({
  script: __filename,
  entry: 'cli/main',
  args: ['demo'].concat(process.argv.slice(2)),
  renew: true,
});
