/** ApiVersions 0-4: the table of what is served. A version we do not know is answered by the connection, in version 0. */
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { apiVersions } from '../../../wire/messages/api-versions.ts';
import { handler } from '../handler.ts';
import { VERSION_TABLE } from '../registry.ts';

/** KIP-511. */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?$/;

/** Second transaction protocol: EndTxn 5, Produce 12, TxnOffsetCommit 5 (KIP-890). Clients take it from here, not from the table. */
const TRANSACTION_VERSION = 2;
const SUPPORTED_FEATURES = [{ name: 'transaction.version', minVersion: 0, maxVersion: TRANSACTION_VERSION }];
const FINALIZED = {
  finalizedFeaturesEpoch: 0,
  finalizedFeatures: [
    { name: 'transaction.version', maxVersionLevel: TRANSACTION_VERSION, minVersionLevel: TRANSACTION_VERSION },
  ],
};

export const handle = handler(apiVersions, (request, call) => {
  const { clientSoftwareName: name, clientSoftwareVersion: version } = request;
  const isNamed = call.version >= 3;
  if (isNamed && !(SOFTWARE_NAME.test(name) && SOFTWARE_NAME.test(version))) {
    return { errorCode: ERROR_CODES.INVALID_REQUEST, apiKeys: [] };
  }
  // Before version 4 a supported feature could not begin at 0 (KIP-1022), and is left out.
  const supportedFeatures = call.version >= 4 ? SUPPORTED_FEATURES : [];
  return { errorCode: ERROR_CODES.NONE, apiKeys: VERSION_TABLE, supportedFeatures, ...FINALIZED };
});
