/** `GET /v1/clients`: who is connected now, over whatever protocol. */
import type { FastifyInstance } from 'fastify';
import type { ConnectedClient } from '../../../base/connected-client.ts';
import type { HttpContext } from '../context.ts';
import { cursorName, pageOf } from '../paging.ts';
import { type ClientList, type ClientView, ListClientsQuery } from '../schemas.ts';

const DEFAULT_PAGE = 100;

/** @param others clients of other listeners. */
export function clientRoutes(
  app: FastifyInstance,
  { counters }: HttpContext,
  others: () => Iterable<ConnectedClient>,
): void {
  app.get<{ Querystring: ListClientsQuery }>(
    '/v1/clients',
    { schema: { querystring: ListClientsQuery } },
    (request, reply) => {
      const { limit = DEFAULT_PAGE, transport, cursor } = request.query;
      const after = cursor === undefined ? '' : cursorName(cursor);
      const byId = new Map<string, ConnectedClient>();
      for (const source of [counters.sockets.values(), others()]) {
        for (const client of source) {
          if (client.id > after && (transport ?? client.transport) === client.transport) byId.set(client.id, client);
        }
      }
      const { names, nextCursor } = pageOf(byId.keys(), limit);
      const list: ClientList = { clients: names.map((id) => viewOf(byId.get(id) as ConnectedClient)), nextCursor };
      return reply.send(list);
    },
  );
}

function viewOf(client: ConnectedClient): ClientView {
  const { id, transport, host, port, connectedAt, clientId, software, requests, receivedBytes, sentBytes } = client;
  return {
    id,
    transport,
    clientId: clientId ?? null,
    software: software ?? null,
    host,
    port,
    connectedAt,
    requests,
    receivedBytes,
    sentBytes,
  };
}
