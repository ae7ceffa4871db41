/** `node --import`: programs outside of this repository find `millrace` and its entry points in its sources, unbuilt. */
import { registerHooks } from 'node:module';
import { ENTRY_POINTS } from '../../scripts/public-exports.ts';

/** Libraries under back ends: programs install them beside `millrace`. */
const BESIDE = new Set(['@platformatic/kafka', 'ioredis', 'pg', 'zod']);

registerHooks({
  resolve(specifier, context, nextResolve) {
    const source = Object.hasOwn(ENTRY_POINTS, specifier) ? ENTRY_POINTS[specifier] : undefined;
    if (source !== undefined) return nextResolve(new URL(`../../${source}`, import.meta.url).href, context);
    if (BESIDE.has(specifier)) return nextResolve(specifier, { ...context, parentURL: import.meta.url });
    return nextResolve(specifier, context);
  },
});
