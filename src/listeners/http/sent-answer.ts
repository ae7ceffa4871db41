/** What happens to the memory of an answer once it is made. */
import type { FastifyReply } from 'fastify';
import type { HttpContext } from './context.ts';

/** What was charged for reading becomes what the answer really holds, until its socket has it. */
export function holdUntilSent(
  { room }: HttpContext,
  reply: FastifyReply,
  chargedBytes: number,
  answerBytes: number,
): void {
  room.budget.force(answerBytes);
  room.budget.give(chargedBytes);
  room.watchStall(reply.raw);
  reply.raw.once('close', () => room.budget.give(answerBytes));
}

/** The client is gone: there is nobody to answer. */
export function abandoned(reply: FastifyReply): FastifyReply {
  return reply.hijack();
}
