/** Master keys for tests. */
import { type MasterKeys, parseMasterKeys } from '../../src/journal/encryption/master-keys.ts';

export const FIRST_MASTER: MasterKeys = parseMasterKeys(`first ${'11'.repeat(32)}`, 'the test');
/** The second is in use, the first opens what it has wrapped. */
export const ROTATED_MASTERS: MasterKeys = parseMasterKeys(
  `second ${'22'.repeat(32)}\nfirst ${'11'.repeat(32)}`,
  'the test',
);
export const OTHER_MASTER: MasterKeys = parseMasterKeys(`other ${'33'.repeat(32)}`, 'the test');
