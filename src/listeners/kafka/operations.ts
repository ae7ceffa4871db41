/**
 * Bit sets of what a client may do (KIP-430): bit n stands for operation n of Kafka's AclOperation. Without access rules
 * everything is allowed that a resource has.
 */
import { NO_OPERATIONS } from '../../wire/schema.ts';

const READ = 1 << 3;
const WRITE = 1 << 4;
const CREATE = 1 << 5;
const DELETE = 1 << 6;
const ALTER = 1 << 7;
const DESCRIBE = 1 << 8;
const CLUSTER_ACTION = 1 << 9;
const DESCRIBE_CONFIGS = 1 << 10;
const ALTER_CONFIGS = 1 << 11;
const IDEMPOTENT_WRITE = 1 << 12;

export const TOPIC_OPERATIONS = READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS;
export const GROUP_OPERATIONS = READ | DELETE | DESCRIBE;
export const CLUSTER_OPERATIONS =
  CREATE | ALTER | DESCRIBE | CLUSTER_ACTION | DESCRIBE_CONFIGS | ALTER_CONFIGS | IDEMPOTENT_WRITE;

/** The set where it was asked for, else the value that says it was not. */
export function operations(asked: boolean, allowed: number): number {
  return asked ? allowed : NO_OPERATIONS;
}
