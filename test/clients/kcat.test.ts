/** Proves that kcat works unmodified, scenario by scenario (contract.ts). */
import { test } from 'node:test';
import { findTool, requireTool } from '../kit/tools.ts';
import { clientContract } from './contract.ts';
import { kcatDriver } from './kcat-driver.ts';

const kcat = findTool('kcat');
if (kcat === undefined) test('kcat', (t) => void requireTool(t, 'kcat'));
else clientContract(kcatDriver(kcat));
