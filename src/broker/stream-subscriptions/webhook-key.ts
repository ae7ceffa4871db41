/** The Ed25519 key that signs webhooks, and how it is shown to receivers (RFC 7517, 7638, 8037). */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';

export interface WebhookJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  readonly kid: string;
  readonly use: 'sig';
  readonly alg: 'EdDSA';
  readonly x: string;
}

export class WebhookKey {
  readonly jwk: WebhookJwk;
  readonly #key: KeyObject;

  /** @param privateKey PKCS #8, DER. */
  constructor(privateKey: Uint8Array) {
    this.#key = createPrivateKey({ key: Buffer.from(privateKey), format: 'der', type: 'pkcs8' });
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' }) as { x: string };
    // The thumbprint of the public key, so that a key always has the same name.
    const thumbprint = createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');
    this.jwk = { kty: 'OKP', crv: 'Ed25519', kid: `ds_${thumbprint}`, use: 'sig', alg: 'EdDSA', x };
  }

  /** Value of `Webhook-Signature`. @param nowMs milliseconds since 1970. */
  signature(body: string, nowMs: number): string {
    const seconds = Math.floor(nowMs / 1000);
    const signed = sign(null, Buffer.from(`${seconds}.${body}`), this.#key).toString('base64url');
    return `t=${seconds},kid=${this.jwk.kid},ed25519=${signed}`;
  }
}
