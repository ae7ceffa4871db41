/** @platformatic/kafka 1.35.0, what Node 20 gets. */
import * as platformatic1 from 'platformatic-kafka-1';
import type { ClientDriver } from './driver.ts';
import { type Platformatic, platformaticDriver } from './platformatic-driver.ts';

export const platformatic1Driver: ClientDriver = platformaticDriver(
  'platformatic-1',
  '@platformatic/kafka 1.35.0',
  // Its types are those of another package, its calls the same.
  platformatic1 as unknown as Platformatic,
);
