/** What the value of a setting may be: checks that say what they expected, and the shape of a setting's row. */
import type { ConfigType } from './config-entry.ts';
import type { BrokerSettings } from './settings.ts';

export interface SettingDefinition {
  readonly type: ConfigType;
  readonly defaultValue: (settings: BrokerSettings) => string;
  /** Says what is wrong with the value, or nothing. */
  readonly refuse: (value: string) => Refusal | undefined;
  /** Kafka's name of the broker setting that is the default of all topics; shown among the synonyms. */
  readonly broker?: string;
  readonly documentation: string;
}

export interface Refusal {
  readonly code: 'BROKER_CONFIG_INVALID' | 'BROKER_CONFIG_UNSUPPORTED';
  readonly expected: string;
}

type Check = SettingDefinition['refuse'];

export const INT_MAX = 2_147_483_647;
/** Largest value of Kafka's type long. As a limit it says "none"; it is no JavaScript number. */
export const LONG_MAX = '9223372036854775807';

/** @param but values in between that are refused. */
export function integer(min: number, max: number, but: readonly number[] = []): Check {
  const exceptions = but.length === 0 ? '' : ` but ${but.join(', ')}`;
  return (value) =>
    /^-?\d{1,16}$/.test(value) && Number(value) >= min && Number(value) <= max && !but.includes(Number(value))
      ? undefined
      : invalid(`a whole number from ${min} to ${max}${exceptions}`);
}

/** Whole numbers from `min` to the largest of Kafka's type long. */
export function long(min: number): Check {
  return (value) =>
    /^-?\d{1,19}$/.test(value) && BigInt(value) >= BigInt(min) && BigInt(value) <= BigInt(LONG_MAX)
      ? undefined
      : invalid(`a whole number from ${min} to ${LONG_MAX}`);
}

export function fraction(): Check {
  return (value) =>
    /^\d{1,3}(?:\.\d{1,16})?$/.test(value) && Number(value) <= 1 ? undefined : invalid('a number from 0 to 1');
}

export function truth(): Check {
  return oneOf('true', 'false');
}

export function oneOf(...values: readonly string[]): Check {
  return (value) => (values.includes(value) ? undefined : invalid(values.join(' or ')));
}

/** A comma-separated list of some of the values, one at least. */
export function someOf(...values: readonly string[]): Check {
  return (value) => {
    const elements = elementsOf(value);
    return elements.length > 0 && elements.every((each) => values.includes(each))
      ? undefined
      : invalid(`${values.join(', ')}, or several of them`);
  };
}

/** A comma-separated list, each element of which the pattern matches; may be empty. */
export function listOf(pattern: RegExp, expected: string): Check {
  return (value) => (elementsOf(value).every((each) => pattern.test(each)) ? undefined : invalid(expected));
}

/** The setting is known, but only `value` (or what `also` takes) is what Millrace does today. */
export function only(value: string, also: (value: string) => boolean = () => false): Check {
  return (given) =>
    given === value || also(given)
      ? undefined
      : { code: 'BROKER_CONFIG_UNSUPPORTED', expected: `${value}: other values do not act yet` };
}

function invalid(expected: string): Refusal {
  return { code: 'BROKER_CONFIG_INVALID', expected };
}

/** Elements of a setting of type list. */
export function elementsOf(list: string): string[] {
  return list
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
