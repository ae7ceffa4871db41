/** `GET /v1/topics/{name}/records`: read, wait for, or follow records. `DELETE`: move the log start. */
import type { FastifyInstance } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { Partition } from '../../../store/partition.ts';
import type { HttpContext } from '../context.ts';
import { findTopic } from '../find-topic.ts';
import { wantsEvents } from '../framing.ts';
import { GroupTurns } from '../group-read.ts';
import { checkReadQuery, choosePartitions, OFFSETS_FORM, queryTimestamp } from '../position.ts';
import { answerRead } from '../read-answer.ts';
import { followRead } from '../read-follow.ts';
import type { ReadRequest } from '../read-request.ts';
import { DeleteRecordsQuery, type ReadQuery, readQuery, TopicParams } from '../schemas.ts';
import { RECORDS_ROUTE } from '../topic-path.ts';

/** Positions as an event's id has them: `0:18,1:7`. */
const OFFSETS = new RegExp(OFFSETS_FORM);

export function readRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker, settings } = context;
  const turns = new GroupTurns();

  const schema = { params: TopicParams, querystring: readQuery(settings) };
  app.get(RECORDS_ROUTE, { schema, config: { quota: 'consumer' } }, async (request: ReadRequest, reply) => {
    const query = resumed(request);
    checkReadQuery(query);
    const topic = findTopic(broker, request.params.name);
    const call = { context, request, reply, query, topic };
    return query.follow === true ? await followRead(call) : await answerRead(call, turns);
  });

  const deleteSchema = { params: TopicParams, querystring: DeleteRecordsQuery };
  app.delete<{ Params: TopicParams; Querystring: DeleteRecordsQuery }>(
    RECORDS_ROUTE,
    { schema: deleteSchema },
    async (request, reply) => {
      const { query } = request;
      checkDeleteQuery(query);
      const topic = findTopic(broker, request.params.name);
      const partitions = choosePartitions(topic, query.partition);
      const ends = await Promise.all(partitions.map((partition) => deletionEnd(broker, partition, query)));
      const targets = partitions.map((partition, i) => ({ partition, beforeOffset: ends[i] as number }));
      const starts = await broker.topics.deleteBefore(topic, targets);
      const views = partitions.map(({ index }, i) => ({ partition: index, logStartOffset: starts[i] as number }));
      return reply.send(query.partition === 'all' ? { partitions: views } : views[0]);
    },
  );
}

function checkDeleteQuery(query: DeleteRecordsQuery): void {
  if ((query.before === undefined) !== (query.timestamp === undefined)) return;
  throw new MillraceError('HTTP_REQUEST_INVALID', 'Give either `before` (an offset, or end) or `timestamp`.', {
    details: { in: 'query', name: 'before' },
  });
}

/** Offset before which records go; -1: the high watermark. Of a time: that of the first record at or after it. */
async function deletionEnd(broker: Broker, partition: Partition, query: DeleteRecordsQuery): Promise<number> {
  if (query.timestamp === undefined) return query.before === 'end' ? -1 : Number(query.before);
  return (await broker.offsetForTimestamp(partition, queryTimestamp(query.timestamp))).offset;
}

/** What is asked for: Server-Sent Events do not end, and a browser that comes back says where it was. */
function resumed(request: ReadRequest): ReadQuery {
  const { query, headers } = request;
  if (!wantsEvents(headers.accept)) return query;
  const id = headers['last-event-id'];
  if (typeof id !== 'string' || id === '') return { ...query, follow: true };
  if (!OFFSETS.test(id)) {
    throw new MillraceError(
      'HTTP_REQUEST_INVALID',
      'Header `Last-Event-ID` must be the id of an event of this stream.',
      {
        details: { in: 'headers', name: 'last-event-id' },
      },
    );
  }
  const { partition: _, offset: __, timestamp: ___, first: ____, last: _____, group: ______, ...rest } = query;
  return { ...rest, offsets: id, follow: true };
}
