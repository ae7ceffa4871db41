/** Proves that @platformatic/kafka 1.x, which knows flexible versions only, works unmodified, scenario by scenario (contract.ts). */
import * as platformatic1 from 'platformatic-kafka-1';
import { clientContract } from './contract.ts';
import { type Platformatic, platformaticDriver } from './platformatic-driver.ts';

clientContract(platformaticDriver('@platformatic/kafka 1.35.0', platformatic1 as unknown as Platformatic));
