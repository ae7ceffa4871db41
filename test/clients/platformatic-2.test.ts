/** Proves that @platformatic/kafka 2.x works unmodified, scenario by scenario (contract.ts). */
import { clientContract } from './contract.ts';
import { platformatic2Driver } from './platformatic-driver.ts';

clientContract(platformatic2Driver);
