/** `POST /v1/commit`: records for several topics, and what must hold for them, in one commit: all of it or nothing. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import { releaseBody } from '../body-reader.ts';
import { type CommitWrite, commitWrites } from '../commit-input.ts';
import { ConnectionOrder } from '../connection-order.ts';
import type { HttpContext } from '../context.ts';
import { bodyText, jsonRecords } from '../record-input.ts';
import { answersTo, encodeWrite, type RecordsCall, type StagedWrites, stageWrites } from '../record-stage.ts';
import { CommitQuery } from '../schemas.ts';
import { countWritten, REPLAYED_HEADER } from '../write-answer.ts';
import { endsOf, keyedRequest } from '../write-headers.ts';

/** Keys of this route are keys of no topic. */
const SCOPE = '';

type CommitRequest = FastifyRequest<{ Querystring: CommitQuery; Body: Buffer | undefined }>;

export function commitRoutes(app: FastifyInstance, context: HttpContext): void {
  const order = new ConnectionOrder();
  const options = { schema: { querystring: CommitQuery }, config: { quota: 'producer' } } as const;
  app.post('/v1/commit', options, async (request: CommitRequest, reply) => {
    const startedAt = context.broker.clock.monotonic();
    const stage = stager(context, request);
    const staged = await order.run(request.raw.socket, stage);
    const writes = await answersTo(staged);
    countWritten(
      context,
      startedAt,
      writes.reduce((sum, { count }) => sum + count, 0),
    );
    if (staged.condition?.replayed !== undefined) reply.header(REPLAYED_HEADER, 'true');
    return reply.code(request.query.ack === 'admitted' ? 202 : 200).send({ writes });
  });
}

function stager(context: HttpContext, request: CommitRequest): () => Promise<StagedWrites> {
  try {
    return readCommit(context, request);
  } finally {
    // What it says is text by then.
    releaseBody(request.held);
  }
}

function readCommit(context: HttpContext, request: CommitRequest): () => Promise<StagedWrites> {
  const { body, headers, query, raw, originalUrl } = request;
  if (body === undefined) {
    throw new MillraceError('HTTP_MEDIA_TYPE_UNSUPPORTED', 'The request has no body. Send JSON with `writes`.');
  }
  if (headers['if-offset-match'] !== undefined) {
    throw new MillraceError(
      'HTTP_REQUEST_INVALID',
      'Header if-offset-match is for one topic. Give `ifOffsetMatch` in each of the writes.',
      { details: { in: 'headers', name: 'if-offset-match' } },
    );
  }
  const writes = commitWrites(bodyText(body));
  const keyed = keyedRequest(SCOPE, { url: originalUrl, headers, rawHeaders: raw.rawHeaders, body });
  const options = { degree: query.ack ?? 'durable', keyed };
  const eachOffset = query.offsets === 'each';
  return async () => {
    checkAll(writes, context.settings.maxRecordsPerRequest);
    const encoded = [];
    for (const write of writes) {
      encoded.push(await encodeWrite(context, write.topic, callOf(write, eachOffset), options));
    }
    return await stageWrites(context, encoded, options);
  };
}

/** Before a topic is made for the first of them: one that is refused must not leave others behind. */
function checkAll(writes: readonly CommitWrite[], maxRecords: number): void {
  let count = 0;
  for (const write of writes) for (const _ of recordsOf(write)) count += 1;
  if (count <= maxRecords) return;
  throw new MillraceError('HTTP_BODY_TOO_LARGE', `A commit takes ${maxRecords} records at most. Split it.`, {
    details: { maxRecords },
  });
}

function recordsOf({ records, format, where }: CommitWrite) {
  return jsonRecords(records, format, where);
}

function callOf(write: CommitWrite, eachOffset: boolean): RecordsCall {
  const { partition, ends } = write;
  return {
    records: () => recordsOf(write),
    partition,
    eachOffset,
    ends: ends === undefined ? undefined : (topic) => endsOf(topic, ends, partition),
  };
}
