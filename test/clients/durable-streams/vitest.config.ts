/** The suite's own timeouts are for the waits it makes; everything else of vitest is its default. */
export default {
  test: { include: ['**/conformance-run.ts'], testTimeout: 30_000, fileParallelism: false },
};
