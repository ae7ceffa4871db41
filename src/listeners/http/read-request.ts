import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Topic } from '../../broker/topic.ts';
import type { HttpContext } from './context.ts';
import { groupPositions } from './group-read.ts';
import { type PartitionPosition, startPositions } from './position.ts';
import type { ReadQuery, TopicParams } from './schemas.ts';

export type ReadRequest = FastifyRequest<{ Params: TopicParams; Querystring: ReadQuery }>;

/** A read that has been checked. */
export interface ReadCall {
  readonly context: HttpContext;
  readonly request: ReadRequest;
  readonly reply: FastifyReply;
  /** Of the request, and what its headers say of where to begin. */
  readonly query: ReadQuery;
  readonly topic: Topic;
}

/** Where it begins. @throws as `startPositions`, and what the group is refused for. */
export async function positionsOf({ context, query, topic }: ReadCall): Promise<PartitionPosition[]> {
  const { group, partition } = query;
  if (group !== undefined) return await groupPositions(context.broker, topic, group, partition);
  return await startPositions(context.broker, topic, query);
}
