/** DescribeCluster 0-2: one broker, which is also the controller. */
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { describeCluster } from '../../../wire/messages/describe-cluster.ts';
import { handler } from '../handler.ts';
import { CLUSTER_OPERATIONS, operations } from '../operations.ts';

const BROKERS = 1;

export const handle = handler(describeCluster, (request, { broker, endpoint }) => {
  const { clusterId, brokerId } = broker;
  const { endpointType } = request;
  if (endpointType !== BROKERS) {
    const errorMessage = `Endpoints of type ${endpointType} do not exist here; ask for brokers (1).`;
    const errorCode = ERROR_CODES.UNSUPPORTED_ENDPOINT_TYPE;
    return { errorCode, errorMessage, endpointType, clusterId, brokers: [] };
  }
  return {
    errorCode: ERROR_CODES.NONE,
    clusterId,
    controllerId: brokerId,
    brokers: [{ brokerId, host: endpoint.host, port: endpoint.port }],
    clusterAuthorizedOperations: operations(request.includeClusterAuthorizedOperations, CLUSTER_OPERATIONS),
  };
});
