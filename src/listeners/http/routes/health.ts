/** `/health/live`, `/health/ready`, `/metrics`: for whoever watches the process. */
import type { FastifyInstance } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import type { HttpContext } from '../context.ts';

/** Served while the listener stops, too. */
export const WATCH_PATHS: ReadonlySet<string> = new Set(['/health/live', '/health/ready', '/metrics']);

export function healthRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker, metrics } = context;

  app.get('/health/live', (_request, reply) => reply.send({ status: 'live' }));

  app.get('/health/ready', (_request, reply) => {
    if (context.isStopping()) throw new MillraceError('HTTP_STOPPING', 'The broker is stopping.');
    const health = broker.health();
    if (health.ready) return reply.send({ status: 'ready' });
    throw health.error ?? new MillraceError('BROKER_CLOSED', `Not ready: ${health.reason ?? 'no reason is known'}.`);
  });

  app.get('/metrics', async (_request, reply) => {
    if (metrics === undefined) {
      throw new MillraceError('HTTP_ROUTE_NOT_FOUND', 'This listener was started without metrics.');
    }
    const { contentType, text } = await metrics.render();
    return reply.type(contentType).send(text);
  });
}
