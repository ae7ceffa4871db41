/** The clients that are there after an ordinary install, and kcat where its Debian package is. */
import * as platformatic1 from 'platformatic-kafka-1';
import { findTool } from '../kit/tools.ts';
import type { ClientDriver } from './driver.ts';
import { kafkajsDriver } from './kafkajs-driver.ts';
import { kcatDriver } from './kcat-driver.ts';
import { type Platformatic, platformatic2Driver, platformaticDriver } from './platformatic-driver.ts';

const kcat = findTool('kcat');

export const platformatic1Driver: ClientDriver = platformaticDriver(
  '@platformatic/kafka 1.35.0',
  // Its types are those of another package, its calls the same.
  platformatic1 as unknown as Platformatic,
);

export const npmDrivers: readonly ClientDriver[] = [
  kafkajsDriver,
  platformatic2Driver,
  platformatic1Driver,
  // kcat.test.ts says loudly where it is missing.
  ...(kcat === undefined ? [] : [kcatDriver(kcat)]),
];
