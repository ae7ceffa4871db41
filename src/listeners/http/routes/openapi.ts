/** `GET /v1/openapi.json`: the document of this interface, made once when it is first asked for. */
import type { FastifyInstance } from 'fastify';
import type { RouteFacts } from '../openapi/document.ts';

/** @param routes all that are served; complete by the time that somebody asks. */
export function openApiRoutes(app: FastifyInstance, routes: readonly RouteFacts[], version: string): void {
  let text: string | undefined;
  app.get('/v1/openapi.json', async (_request, reply) => {
    text ??= await render(routes, version);
    return reply.type('application/json').send(text);
  });
}

async function render(routes: readonly RouteFacts[], version: string): Promise<string> {
  const { openApiDocument } = await import('../openapi/document.ts');
  return JSON.stringify(openApiDocument(routes, version));
}
