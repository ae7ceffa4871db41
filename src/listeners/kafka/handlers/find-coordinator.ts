/** FindCoordinator 0-6: always this broker, for groups and transactions. Share groups are refused in words. */
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { findCoordinator } from '../../../wire/messages/find-coordinator.ts';
import { type Call, handler } from '../handler.ts';

const GROUP = 0;
const TRANSACTION = 1;

interface Coordinator {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

export const handle = handler(findCoordinator, (request, call) => {
  const coordinator = find(request.keyType, call);
  if (call.version < 4) return coordinator;
  return { coordinators: request.coordinatorKeys.map((key) => ({ key, ...coordinator })) };
});

function find(keyType: number, { broker, endpoint }: Call): Coordinator {
  const { host, port } = endpoint;
  if (keyType === GROUP || keyType === TRANSACTION)
    return { nodeId: broker.brokerId, host, port, errorCode: ERROR_CODES.NONE, errorMessage: null };
  return {
    nodeId: -1,
    host: '',
    port: -1,
    errorCode: ERROR_CODES.INVALID_REQUEST,
    errorMessage: `Coordinators of type ${keyType} do not exist here; groups (0) and transactions (1) have one.`,
  };
}
