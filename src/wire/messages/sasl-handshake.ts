/** SaslHandshake 0-1: picks a mechanism. After version 0 raw tokens follow, after 1 SaslAuthenticate requests. Never flexible. */
import { api, NEVER, type RequestOf, type ResponseOf } from '../api.ts';
import { array, int16, string } from '../schema.ts';

export const saslHandshake = api({
  key: 17,
  name: 'SaslHandshake',
  versions: [0, 1],
  flexible: NEVER,
  request: { mechanism: string() },
  response: {
    errorCode: int16(),
    mechanisms: array(string()),
  },
});

export type SaslHandshakeRequest = RequestOf<typeof saslHandshake>;
export type SaslHandshakeResponse = ResponseOf<typeof saslHandshake>;
