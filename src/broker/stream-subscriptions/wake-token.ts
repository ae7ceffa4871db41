/**
 * Tokens that a wake hands out: `base64url(JSON).base64url(HMAC-SHA-256)`. They say which subscription and generation they
 * are for, and until when; whether that generation is still the current one is the subscription's to judge.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface WakeClaim {
  readonly subscription: string;
  readonly generation: number;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

export type TokenVerdict =
  | { readonly kind: 'valid'; readonly claim: WakeClaim }
  | { readonly kind: 'invalid' | 'expired' };

const MAX_TOKEN_LENGTH = 4096;

export function makeWakeToken(claim: WakeClaim, secret: Uint8Array): string {
  const { subscription, generation, expiresAt } = claim;
  const text = Buffer.from(JSON.stringify({ sub: subscription, gen: generation, exp: expiresAt })).toString(
    'base64url',
  );
  return `${text}.${seal(text, secret).toString('base64url')}`;
}

/** For a token from outside, whatever it is. */
export function checkWakeToken(token: string, subscription: string, secret: Uint8Array, now: number): TokenVerdict {
  const dot = token.indexOf('.');
  if (dot < 0 || token.length > MAX_TOKEN_LENGTH) return { kind: 'invalid' };
  const text = token.slice(0, dot);
  const given = Buffer.from(token.slice(dot + 1), 'base64url');
  const expected = seal(text, secret);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return { kind: 'invalid' };
  // Sealed by us, so of our form.
  const { sub, gen, exp } = JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;
  if (sub !== subscription || typeof gen !== 'number' || typeof exp !== 'number') return { kind: 'invalid' };
  if (exp <= now) return { kind: 'expired' };
  return { kind: 'valid', claim: { subscription, generation: gen, expiresAt: exp } };
}

function seal(text: string, secret: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(text).digest();
}
