/** Drivers by their key, for a process that is to be a member of a group and nothing else. */
import { requiredTool } from '../kit/tools.ts';
import type { ClientDriver, DriverKey } from './driver.ts';

/** Loads the one client, not the others. @throws Error where it is not installed. */
export async function openDriver(key: DriverKey): Promise<ClientDriver> {
  switch (key) {
    case 'kafkajs':
      return (await import('./kafkajs-driver.ts')).kafkajsDriver;
    case 'platformatic-1':
      return (await import('./platformatic-1-driver.ts')).platformatic1Driver;
    case 'platformatic-2':
      return (await import('./platformatic-driver.ts')).platformatic2Driver;
    case 'kcat':
      return (await import('./kcat-driver.ts')).kcatDriver(requiredTool('kcat'));
    case 'rdkafka': {
      const { installRdkafka, loadRdkafka } = await import('./rdkafka-install.ts');
      const { rdkafkaDriver } = await import('./rdkafka-driver.ts');
      const library = loadRdkafka(installRdkafka(() => undefined)) as import('./rdkafka-library.ts').Rdkafka;
      return rdkafkaDriver(library);
    }
  }
}
