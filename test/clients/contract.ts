/**
 * The scenarios, the same for every client: what an application does with Kafka and expects of Millrace. Where a client
 * cannot do a thing, its scenario is left out (docs/clients.md lists which and why).
 *
 * What is stored is looked at past the client (wire-view.ts): a client that finds the broker wanting often falls back in
 * silence, for instance to sending uncompressed.
 */
import { adminScenarios } from './contract-admin.ts';
import { groupScenarios } from './contract-groups.ts';
import { recordScenarios } from './contract-records.ts';
import { settingScenarios } from './contract-settings.ts';
import { transactionScenarios } from './contract-transactions.ts';
import type { ClientDriver } from './driver.ts';
import { scenariosOf } from './scenarios.ts';

/** Registers the scenarios of one client, with a broker of its own. Killed members: contract-members.ts. */
export function clientContract(driver: ClientDriver): void {
  const kit = scenariosOf(driver);
  recordScenarios(kit);
  adminScenarios(kit);
  settingScenarios(kit);
  groupScenarios(kit);
  transactionScenarios(kit);
}
