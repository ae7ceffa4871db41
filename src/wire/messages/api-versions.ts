/**
 * ApiVersions 0-4: what the broker speaks; always the first request. 1: throttle time. 3: flexible, client software,
 * features (KIP-584). 4: features may start at version 0 (KIP-1022). The response header is version 0 in every version,
 * and a request of an unknown version is answered in the layout of version 0 (KIP-511).
 */
import { api, type RequestOf, type ResponseOf } from '../api.ts';
import { boolean, int16, int64, string, structs, throttleTimeMs } from '../schema.ts';

export const apiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 4],
  flexible: 3,
  request: {
    clientSoftwareName: string({ since: 3, default: '' }),
    clientSoftwareVersion: string({ since: 3, default: '' }),
  },
  response: {
    errorCode: int16(),
    apiKeys: structs({ apiKey: int16(), minVersion: int16(), maxVersion: int16() }),
    throttleTimeMs: throttleTimeMs(1),
    supportedFeatures: structs({ name: string(), minVersion: int16(), maxVersion: int16() }, { since: 3, tag: 0 }),
    /** -1: unknown. */
    finalizedFeaturesEpoch: int64({ since: 3, tag: 1, default: -1 }),
    finalizedFeatures: structs(
      { name: string(), maxVersionLevel: int16(), minVersionLevel: int16() },
      { since: 3, tag: 2 },
    ),
    zkMigrationReady: boolean({ since: 3, tag: 3, default: false }),
  },
});

export type ApiVersionsRequest = RequestOf<typeof apiVersions>;
export type ApiVersionsResponse = ResponseOf<typeof apiVersions>;
