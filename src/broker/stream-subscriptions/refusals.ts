/** What requests to subscriptions are refused with. */
import { MillraceError } from '../../base/errors.ts';
import type { StreamSubscription } from './stream-subscription.ts';

export function checkThere(subscription: StreamSubscription): void {
  if (subscription.deleted) throw notFound(subscription.id);
}

export function notFound(id: string): MillraceError {
  const shown = id.length > 100 ? `${id.slice(0, 100)}...` : id;
  return new MillraceError('BROKER_SUBSCRIPTION_NOT_FOUND', `There is no subscription ${JSON.stringify(shown)}.`, {
    details: { subscription: shown },
  });
}

export function fenced({ id, wake }: StreamSubscription): MillraceError {
  return new MillraceError(
    'BROKER_SUBSCRIPTION_FENCED',
    `That wake of subscription ${JSON.stringify(id)} is over; the generation is ${wake.generation} now. Stop this work.`,
    { details: { subscription: id, generation: wake.generation } },
  );
}

export function claimed({ id, wake }: StreamSubscription): MillraceError {
  const holder = wake.holder ?? '';
  return new MillraceError(
    'BROKER_SUBSCRIPTION_CLAIMED',
    `Worker ${JSON.stringify(holder)} has claimed subscription ${JSON.stringify(id)}.`,
    { details: { subscription: id, currentHolder: holder, generation: wake.generation } },
  );
}

export function idle({ id }: StreamSubscription): MillraceError {
  return new MillraceError(
    'BROKER_SUBSCRIPTION_IDLE',
    `Subscription ${JSON.stringify(id)} has nothing to work on now. Wait for its next wake event.`,
    { details: { subscription: id } },
  );
}

export function limit(what: string, max: number): MillraceError {
  return new MillraceError('BROKER_LIMIT_REACHED', `The limit of ${what} is reached.`, { details: { max } });
}
