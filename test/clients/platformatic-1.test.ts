/** Proves that @platformatic/kafka 1.x, which knows flexible versions only, works unmodified, scenario by scenario (contract.ts). */
import { clientContract } from './contract.ts';
import { platformatic1Driver } from './npm-drivers.ts';

clientContract(platformatic1Driver);
