/** SaslAuthenticate 0-2: one round of the exchange. 1: session lifetime (KIP-368). 2: flexible. */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { bytes, int16, int64, string } from '../schema.ts';

export const saslAuthenticate = api({
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 2],
  flexible: 2,
  request: { authBytes: bytes() },
  response: {
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    authBytes: bytes(),
    /** 0: no re-authentication is asked for. */
    sessionLifetimeMs: int64({ since: 1, default: 0 }),
  },
});

export type SaslAuthenticateRequest = RequestOf<typeof saslAuthenticate>;
export type SaslAuthenticateResponse = ResponseOf<typeof saslAuthenticate>;
