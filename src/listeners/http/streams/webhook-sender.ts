/** The calls of subscriptions, sent by the rules for calling out. */
import type { Clock } from '../../../base/clock.ts';
import type { WebhookSender } from '../../../broker/stream-subscriptions/api.ts';
import { sendWebhook } from '../webhook/send-webhook.ts';
import { wakeJson } from './subscription-json.ts';

/** @param signal ends the calls that are under way. */
export function webhookSender(clock: Clock, signal: AbortSignal): WebhookSender {
  return {
    render: wakeJson,
    async send({ url, body, signature, timeoutMs }) {
      const headers = { 'content-type': 'application/json', 'webhook-signature': signature };
      const answer = await sendWebhook({ url, body, headers, timeoutMs }, { clock, signal });
      if (answer.kind === 'failed') return { ok: false, done: false, reason: answer.reason };
      const ok = answer.status >= 200 && answer.status < 300;
      return ok ? { ok, done: isDone(answer.body) } : { ok, done: false, reason: `status ${answer.status}` };
    },
  };
}

/** Anything but `{"done": true}` means that the receiver will call back. */
function isDone(text: string): boolean {
  try {
    const value = JSON.parse(text) as { done?: unknown } | null;
    return value?.done === true;
  } catch {
    return false;
  }
}
