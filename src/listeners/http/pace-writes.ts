import type { FastifyInstance } from 'fastify';
import type { Broker } from '../../broker/broker.ts';

/**
 * Writes of the scope wait while the broker slows producers down (`../../broker/governor`), before their bodies are read: a
 * client over HTTP that waits for its answer sends no more meanwhile.
 */
export function paceWrites(scope: FastifyInstance, { governor, clock }: Broker): void {
  scope.addHook('onRequest', ({ method }, _reply, done) => {
    const waitMs = method === 'POST' || method === 'PUT' ? governor.waitMs() : 0;
    if (waitMs === 0) done();
    else clock.schedule(waitMs, () => done());
  });
}
