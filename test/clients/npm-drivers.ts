/** The clients that are there after an ordinary install, and kcat where its Debian package is. */
import { findTool } from '../kit/tools.ts';
import type { ClientDriver } from './driver.ts';
import { kafkajsDriver } from './kafkajs-driver.ts';
import { kcatDriver } from './kcat-driver.ts';
import { platformatic1Driver } from './platformatic-1-driver.ts';
import { platformatic2Driver } from './platformatic-driver.ts';

const kcat = findTool('kcat');

export const npmDrivers: readonly ClientDriver[] = [
  kafkajsDriver,
  platformatic2Driver,
  platformatic1Driver,
  // kcat.test.ts says loudly where it is missing.
  ...(kcat === undefined ? [] : [kcatDriver(kcat)]),
];
