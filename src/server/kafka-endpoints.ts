/** The addresses for Kafka clients, put together from what `--kafka` and `--advertise` say. */
import { MillraceError } from '../base/errors.ts';
import { type Address, type NamedAddress, parseAddresses } from './address.ts';
import type { KafkaEndpoint } from './config.ts';

/** Of an address that has no name; with several, each has one. */
const ONLY = 'kafka';

/**
 * @param listen `[NAME://]HOST:PORT[,...]`; names are required where there are several.
 * @param advertise the same, for some of those names or for the only address.
 * @throws MillraceError CONFIG_INVALID.
 */
export function parseKafkaEndpoints(listen: string, advertise: string | undefined): readonly KafkaEndpoint[] {
  const addresses = parseAddresses('--kafka', listen);
  const names = namesOf('--kafka', addresses, addresses.length === 1);
  const advertised = advertise === undefined ? [] : parseAddresses('--advertise', advertise);
  const only = addresses.length === 1 && advertised.length === 1;
  namesOf('--advertise', advertised, only);
  const told = new Map<string, Address>();
  for (const [i, { host, port }] of advertised.entries()) {
    // The only address needs no name; several have theirs, which `namesOf` has seen to.
    const name = advertised[i]?.name ?? names[0] ?? ONLY;
    if (!names.includes(name))
      throw invalid('--advertise', `there is no address \`${name}\` in --kafka (${names.join(', ')})`);
    if (port === 0) throw invalid('--advertise', 'clients cannot connect to port 0');
    told.set(name, { host, port });
  }
  return addresses.map(({ host, port }, i) => {
    const name = names[i] as string;
    return { name, host, port, advertised: told.get(name) };
  });
}

function namesOf(setting: string, addresses: readonly NamedAddress[], mayLack: boolean): string[] {
  const seen = new Set<string>();
  return addresses.map(({ name }) => {
    if (name === undefined && !mayLack) {
      throw invalid(setting, 'several addresses need names, as in internal://10.0.0.1:9092,external://0.0.0.0:9093');
    }
    const known = name ?? ONLY;
    if (seen.has(known)) throw invalid(setting, `the name \`${known}\` stands there twice`);
    seen.add(known);
    return known;
  });
}

function invalid(setting: string, reason: string): MillraceError {
  return new MillraceError('CONFIG_INVALID', `${setting} cannot be understood: ${reason}.`, { details: { setting } });
}
