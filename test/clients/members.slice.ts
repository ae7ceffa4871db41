/** Proves that groups survive kill -9 of their members, with each client that an ordinary install brings (and kcat). */
import { memberScenarios } from './contract-members.ts';
import { npmDrivers } from './npm-drivers.ts';

for (const driver of npmDrivers) memberScenarios(driver);
