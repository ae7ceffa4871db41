/** `/v1/quotas`: bytes a second of clients, by client id or for all that have none of their own. */
import type { FastifyInstance } from 'fastify';
import type { Quotas } from '../../../broker/quotas/quotas.ts';
import type { ClientQuota, QuotaEntity } from '../../../broker/quotas/quotas-state.ts';
import type { HttpContext } from '../context.ts';
import { ClientParams, QuotaBody, type QuotaList, type QuotaView } from '../schemas.ts';

const PATH = '/v1/quotas';
const DEFAULT_PATH = `${PATH}/default`;
const CLIENT_PATH = `${PATH}/clients/:clientId`;

export function quotaRoutes(app: FastifyInstance, { broker }: HttpContext): void {
  const { quotas } = broker;

  app.get(PATH, (_request, reply) => {
    const list: QuotaList = { quotas: quotas.list().map(([entity, quota]) => viewOf(entity, quota)) };
    return reply.send(list);
  });

  app.put<{ Body: QuotaBody }>(DEFAULT_PATH, { schema: { body: QuotaBody } }, async (request, reply) =>
    reply.send(await replace(quotas, undefined, request.body)),
  );
  app.delete(DEFAULT_PATH, async (_request, reply) => {
    await replace(quotas, undefined, {});
    return reply.code(204).send();
  });

  const schema = { params: ClientParams };
  app.put<{ Params: ClientParams; Body: QuotaBody }>(
    CLIENT_PATH,
    { schema: { ...schema, body: QuotaBody } },
    async (request, reply) => reply.send(await replace(quotas, request.params.clientId, request.body)),
  );
  app.delete<{ Params: ClientParams }>(CLIENT_PATH, { schema }, async (request, reply) => {
    await replace(quotas, request.params.clientId, {});
    return reply.code(204).send();
  });
}

/** What is left out has no limit from now on. */
async function replace(quotas: Quotas, entity: QuotaEntity, body: QuotaBody): Promise<QuotaView> {
  const { producerByteRate = null, consumerByteRate = null } = body;
  await quotas.change(entity, { producerByteRate, consumerByteRate });
  return viewOf(entity, {
    producerByteRate: producerByteRate ?? undefined,
    consumerByteRate: consumerByteRate ?? undefined,
  });
}

function viewOf(entity: QuotaEntity, { producerByteRate, consumerByteRate }: ClientQuota): QuotaView {
  return {
    clientId: entity ?? null,
    producerByteRate: producerByteRate ?? null,
    consumerByteRate: consumerByteRate ?? null,
  };
}
