/** Proves that @platformatic/kafka 1.x, which knows flexible versions only, works unmodified, scenario by scenario (contract.ts). */
import { clientContract } from './contract.ts';
import { platformatic1Driver } from './platformatic-1-driver.ts';

clientContract(platformatic1Driver);
