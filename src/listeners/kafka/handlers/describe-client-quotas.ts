/** DescribeClientQuotas 0-1: quotas of client ids; there are no users here, and no limits on addresses. */
import type { Quotas } from '../../../broker/quotas/quotas.ts';
import type { ClientQuota, QuotaEntity } from '../../../broker/quotas/quotas-state.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type DescribeClientQuotasRequest,
  type DescribeClientQuotasResponse,
  describeClientQuotas,
} from '../../../wire/messages/describe-client-quotas.ts';
import { handler } from '../handler.ts';
import { CLIENT_ID, ENTITY_TYPES, QUOTA_KEYS } from '../quota-keys.ts';

type Component = DescribeClientQuotasRequest['components'][number];
type Entry = NonNullable<DescribeClientQuotasResponse['entries']>[number];

const EXACT = 0;
const DEFAULT = 1;
const ANY = 2;

export const handle = handler(describeClientQuotas, (request, { broker }) => {
  const { components, strict } = request;
  const refusal = refusalOf(components);
  if (refusal !== undefined) return { ...refusal, entries: null };
  return { errorCode: ERROR_CODES.NONE, errorMessage: null, entries: find(components, strict, broker.quotas) };
});

function refusalOf(components: readonly Component[]): { errorCode: number; errorMessage: string } | undefined {
  const seen = new Set<string>();
  for (const { entityType, matchType, match } of components) {
    if (!ENTITY_TYPES.has(entityType)) {
      return {
        errorCode: ERROR_CODES.UNSUPPORTED_VERSION,
        errorMessage: `There are no quotas for '${entityType.slice(0, 100)}'; known are ${[...ENTITY_TYPES].join(', ')}.`,
      };
    }
    const isKnown = matchType === EXACT || matchType === DEFAULT || matchType === ANY;
    if (!isKnown || seen.has(entityType) || (matchType === EXACT) === (match === null)) {
      return {
        errorCode: ERROR_CODES.INVALID_REQUEST,
        errorMessage: `The filter for ${entityType} must stand once, with a name where it matches exactly (0) and without one else (1, 2).`,
      };
    }
    seen.add(entityType);
  }
  return undefined;
}

/** Every entity is a client id alone, so a filter for anything else finds nothing. */
function find(components: readonly Component[], strict: boolean, quotas: Quotas): Entry[] {
  const [filter] = components;
  if (filter === undefined) return strict ? [] : quotas.list().map(entryOf);
  if (components.length > 1 || filter.entityType !== CLIENT_ID) return [];
  if (filter.matchType === ANY) return quotas.list().map(entryOf);
  const entity = filter.match ?? undefined;
  const quota = quotas.find(entity);
  return quota === undefined ? [] : [entryOf([entity, quota])];
}

function entryOf([entity, quota]: readonly [QuotaEntity, ClientQuota]): Entry {
  return {
    entity: [{ entityType: CLIENT_ID, entityName: entity ?? null }],
    values: Object.entries(QUOTA_KEYS).flatMap(([key, field]) => {
      const value = quota[field];
      return value === undefined ? [] : [{ key, value }];
    }),
  };
}
