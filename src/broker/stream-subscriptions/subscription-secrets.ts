/** Tokens of wakes, and the key that signs webhooks: made with the first use, and kept in the journal. */
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import { type Journal, transactOnce } from '../../journal/journal.ts';
import { COMMAND } from '../state-part.ts';
import type { StreamSubscription } from './stream-subscription.ts';
import { encodeKeys, type SubscriptionKeys } from './subscription-commands.ts';
import type { SubscriptionsState } from './subscriptions-state.ts';
import { checkWakeToken, makeWakeToken } from './wake-token.ts';
import { WebhookKey } from './webhook-key.ts';

/** Far beyond any lease that is renewed; generations are what fences. */
const TOKEN_LIFE_MS = 24 * 3_600_000;

export interface SubscriptionSecretsOptions {
  readonly journal: Journal;
  readonly state: SubscriptionsState;
  readonly clock: Clock;
  readonly newKeys: () => SubscriptionKeys;
}

export class SubscriptionSecrets {
  readonly #options: SubscriptionSecretsOptions;
  #key: WebhookKey | undefined;

  constructor(options: SubscriptionSecretsOptions) {
    this.#options = options;
  }

  async token(subscription: StreamSubscription, generation: number): Promise<string> {
    const { tokenSecret } = await this.#secrets();
    const expiresAt = this.#options.clock.now() + TOKEN_LIFE_MS;
    return makeWakeToken({ subscription: subscription.id, generation, expiresAt }, tokenSecret);
  }

  /** @returns the generation that it is for. @throws HTTP_TOKEN_INVALID, HTTP_TOKEN_EXPIRED. */
  async checkToken(subscription: StreamSubscription, token: string, now: number): Promise<number> {
    const { tokenSecret } = await this.#secrets();
    const verdict = checkWakeToken(token, subscription.id, tokenSecret, now);
    if (verdict.kind === 'valid') return verdict.claim.generation;
    if (verdict.kind === 'expired') throw new MillraceError('HTTP_TOKEN_EXPIRED', 'The token has expired.');
    throw new MillraceError(
      'HTTP_TOKEN_INVALID',
      'The token is none of this subscription. Use that of the wake or claim.',
    );
  }

  async webhookKey(): Promise<WebhookKey> {
    this.#key ??= new WebhookKey((await this.#secrets()).privateKey);
    return this.#key;
  }

  async #secrets(): Promise<SubscriptionKeys> {
    const { state, journal } = this.#options;
    if (state.keys !== undefined) return state.keys;
    const fresh = this.#options.newKeys();
    return await transactOnce(journal, (commit) => {
      if (state.keys === undefined) commit.command(COMMAND.SUBSCRIPTION_KEYS_MADE, encodeKeys(fresh));
      return state.keys ?? fresh;
    });
  }
}
