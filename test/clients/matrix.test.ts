/** Proves that what one client writes every other client reads; node-rdkafka joins in rdkafka.slice.ts. */
import { earthquakeMatrix } from './earthquake-matrix.ts';
import { npmDrivers } from './npm-drivers.ts';

earthquakeMatrix(npmDrivers, npmDrivers);
