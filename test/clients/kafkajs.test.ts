/** Proves that kafkajs works unmodified, scenario by scenario (contract.ts). */
import { clientContract } from './contract.ts';
import { kafkajsDriver } from './kafkajs-driver.ts';

clientContract(kafkajsDriver);
