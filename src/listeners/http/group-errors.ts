/** Words for the codes that the group coordinator refuses with: it answers codes only, HTTP clients read sentences. */
import { type ErrorCode, MillraceError } from '../../base/errors.ts';

export function groupNotFound(group: string): MillraceError {
  return groupRefusal('BROKER_GROUP_NOT_FOUND', group);
}

export function groupRefusal(code: ErrorCode, group: string): MillraceError {
  return new MillraceError(code, words(code, JSON.stringify(group.slice(0, 200))), {
    details: { group: group.slice(0, 1_000) },
  });
}

/** Codes without a row say themselves; docs/errors.md has what to do. */
const WORDS: Readonly<Partial<Record<ErrorCode, (group: string) => string>>> = {
  BROKER_GROUP_NOT_FOUND: (group) => `There is no consumer group ${group}. GET /v1/groups lists those that are.`,
  BROKER_GROUP_NOT_EMPTY: (group) =>
    `Group ${group} has members. Stop them first: they would go on with what they know.`,
  BROKER_GROUP_SUBSCRIBED: (group) => `A member of group ${group} is subscribed to this topic. Stop it first.`,
  BROKER_GROUP_ID_INVALID: (group) => `${group} is no id of a group: it is empty or too long.`,
  BROKER_COORDINATOR_UNAVAILABLE: (group) =>
    `Group ${group} cannot be changed at the moment. Try again; whether this change happened may be unknown.`,
};

function words(code: ErrorCode, group: string): string {
  return WORDS[code]?.(group) ?? `Group ${group} cannot be changed so: ${code}.`;
}
