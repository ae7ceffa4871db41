/** AlterClientQuotas 0-1: bytes a second of one client id, or of all that have none of their own. Each entry for itself. */
import { asMillraceError, MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { QuotaChange } from '../../../broker/quotas/quotas.ts';
import type { QuotaEntity } from '../../../broker/quotas/quotas-state.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type AlterClientQuotasRequest,
  type AlterClientQuotasResponse,
  alterClientQuotas,
} from '../../../wire/messages/alter-client-quotas.ts';
import { isNew } from '../distinct.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { CLIENT_ID, IDLE_QUOTA_KEYS, QUOTA_KEYS } from '../quota-keys.ts';

type Asked = AlterClientQuotasRequest['entries'][number];
type Answer = AlterClientQuotasResponse['entries'][number];

export const handle = handler(alterClientQuotas, async (request, { broker }) => {
  const { validateOnly } = request;
  const seen = new Set<string>();
  const repeated = new Set(request.entries.filter((entry) => !isNew(seen, JSON.stringify(entry.entity))));
  const entries = await Promise.all(
    request.entries.map((entry) => alter(entry, repeated.has(entry), validateOnly, broker)),
  );
  return { entries };
});

async function alter(asked: Asked, repeated: boolean, validateOnly: boolean, broker: Broker): Promise<Answer> {
  const { entity } = asked;
  try {
    if (repeated) throw invalid('The entity stands in the request more than once.');
    await broker.quotas.change(entityOf(asked), changeOf(asked), { validateOnly });
    return { errorCode: ERROR_CODES.NONE, errorMessage: null, entity };
  } catch (error) {
    const { code, message } = asMillraceError(error);
    return { errorCode: kafkaError(code), errorMessage: message, entity };
  }
}

function entityOf({ entity }: Asked): QuotaEntity {
  const [component] = entity;
  if (entity.length === 1 && component?.entityType === CLIENT_ID) return component.entityName ?? undefined;
  throw invalid(
    'Quotas are set for one client-id, or for its default (no name); there are no users and no limits on addresses.',
  );
}

function changeOf({ ops }: Asked): QuotaChange {
  const change: Record<string, number | null> = {};
  for (const { key, value, remove } of ops) {
    if (!Object.hasOwn(QUOTA_KEYS, key)) {
      throw invalid(
        IDLE_QUOTA_KEYS.has(key)
          ? `Quota ${key} does not act here.`
          : `Unknown quota '${key.slice(0, 100)}'. Known: ${Object.keys(QUOTA_KEYS).join(', ')}.`,
      );
    }
    const field = QUOTA_KEYS[key as keyof typeof QUOTA_KEYS];
    if (field in change) throw invalid(`Quota ${key} stands in the entry more than once.`);
    change[field] = remove ? null : value;
  }
  return change;
}

function invalid(message: string): MillraceError {
  return new MillraceError('BROKER_REQUEST_INVALID', message);
}
