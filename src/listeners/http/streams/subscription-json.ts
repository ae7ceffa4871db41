/** Subscriptions, wakes and claims as the protocol's JSON. */
import type { Claim, LinkView, WakeNotice } from '../../../broker/stream-subscriptions/api.ts';
import type { StreamSubscription } from '../../../broker/stream-subscriptions/stream-subscription.ts';
import type { WebhookJwk } from '../../../broker/stream-subscriptions/webhook-key.ts';
import { formatStreamOffset } from '../../../broker/streams/stream-offset.ts';
import { STREAM_ROOT, streamPathOf } from './stream-path.ts';

export function subscriptionJson(
  { config, wake }: StreamSubscription,
  streams: readonly LinkView[],
  key: WebhookJwk | undefined,
): object {
  const { id, type, pattern, webhookUrl, wakeStream, leaseTtlMs, createdAt, description, baseUrl } = config;
  const signing = { alg: 'ed25519', kid: key?.kid, jwks_url: `${baseUrl}${STREAM_ROOT}__ds/jwks.json` };
  return {
    id,
    subscription_id: id,
    type,
    pattern: pattern ?? null,
    streams: streams.map(({ name, linkType, ackedOffset }) => ({
      path: streamPathOf(name),
      link_type: linkType,
      acked_offset: formatStreamOffset(ackedOffset),
    })),
    ...(webhookUrl === undefined ? {} : { webhook: { url: webhookUrl, signing } }),
    wake_stream: wakeStream === undefined ? null : streamPathOf(wakeStream),
    lease_ttl_ms: leaseTtlMs,
    created_at: new Date(createdAt).toISOString(),
    status: wake.retryCount > 0 ? 'failed' : 'active',
    description: description ?? null,
  };
}

export function claimJson({ wakeId, generation, token, streams, leaseTtlMs }: Claim): object {
  return { wake_id: wakeId, generation, token, streams: streams.map(linkJson), lease_ttl_ms: leaseTtlMs };
}

/** Body of a webhook call. */
export function wakeJson({ subscriptionId, wakeId, generation, streams, baseUrl, token }: WakeNotice): string {
  return JSON.stringify({
    subscription_id: subscriptionId,
    wake_id: wakeId,
    generation,
    streams: streams.map(linkJson),
    callback_url: `${baseUrl}${STREAM_ROOT}__ds/subscriptions/${encodeURIComponent(subscriptionId)}/callback`,
    callback_token: token,
  });
}

function linkJson({ name, linkType, ackedOffset, tailOffset, hasPending }: LinkView): object {
  return {
    path: streamPathOf(name),
    link_type: linkType,
    acked_offset: formatStreamOffset(ackedOffset),
    tail_offset: formatStreamOffset(tailOffset),
    has_pending: hasPending,
  };
}
