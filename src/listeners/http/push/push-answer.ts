/** What an application answers to a delivery (docs/protocol.md, "Push"). */
import type { WebhookAnswer } from '../webhook/send-webhook.ts';

export type PushAnswer =
  /** `offset` undefined: all of it. */
  | { readonly kind: 'ok'; readonly offset: number | undefined }
  | { readonly kind: 'incorrect_base_offset'; readonly offset: number }
  | { readonly kind: 'failed'; readonly reason: string };

/** Of what an application says of itself, in an error. */
const MAX_WORDS = 300;

export function parsePushAnswer(answer: WebhookAnswer): PushAnswer {
  if (answer.kind === 'failed') return answer;
  const { status, body } = answer;
  if (status < 200 || status > 299) return failed(`status ${status}${body === '' ? '' : `: ${shown(body)}`}`);
  if (body.trim() === '') return { kind: 'ok', offset: undefined };
  const members = parseObject(body);
  if (members === undefined) return failed(`the answer is no JSON object: ${shown(body)}`);
  const { code, acceptedOffset, offset } = members;
  switch (code) {
    // Pyramid's applications say `success`.
    case 'ok':
    case 'success':
      if (acceptedOffset === undefined || isOffset(acceptedOffset)) return { kind: 'ok', offset: acceptedOffset };
      return failed('`acceptedOffset` is no offset');
    case 'incorrect_base_offset': {
      const right = offset ?? acceptedOffset;
      return isOffset(right) ? { kind: 'incorrect_base_offset', offset: right } : failed('`offset` is no offset');
    }
    default:
      return failed(`the answer has no code that is known: ${shown(body)}`);
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function shown(body: string): string {
  return body.length > MAX_WORDS ? `${body.slice(0, MAX_WORDS)}...` : body;
}

function failed(reason: string): PushAnswer {
  return { kind: 'failed', reason };
}
