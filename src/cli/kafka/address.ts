/** Kafka addresses on command lines. */
import { InvalidArgumentError } from 'commander';
import type { Address } from '../bench/raw-socket.ts';

/** @throws InvalidArgumentError, a usage error. */
export function parseKafkaAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535)
    throw new InvalidArgumentError('It must be HOST:PORT, like 127.0.0.1:9092.');
  return { host: match[1] ?? (match[2] as string), port };
}
