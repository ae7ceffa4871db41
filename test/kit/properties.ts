/**
 * fast-check with the seed that the run asks for. In CI the seed is fixed, so that one commit has one verdict; at a desk
 * each run draws fresh cases, and MILLRACE_SEED=n repeats what a failure printed. Tests import fast-check from here.
 */
import * as fc from 'fast-check';

const CI_SEED = 1_707;

const asked = process.env['MILLRACE_SEED'] ?? (process.env['CI'] === undefined ? undefined : String(CI_SEED));
if (asked !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(asked) });

export * from 'fast-check';
