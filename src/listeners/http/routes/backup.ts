/** `POST /v1/backup`: a backup of the whole broker, as a stream of frames (docs/formats.md, "Backup"). */
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asMillraceError, MillraceError } from '../../../base/errors.ts';
import type { Backup } from '../../../broker/backup/backups.ts';
import { type EarlierBackup, parseBackupFiles } from '../../../store/backup-manifest.ts';
import { releaseBody } from '../body-reader.ts';
import type { HttpContext } from '../context.ts';
import type { Reading } from '../reading.ts';
import { BackupQuery } from '../schemas.ts';

const BACKUP_TYPE = 'application/vnd.millrace.backup';

type BackupRequest = FastifyRequest<{ Querystring: BackupQuery; Body: Uint8Array | undefined }>;

export function backupRoutes(app: FastifyInstance, context: HttpContext, version: string): void {
  const { room, broker } = context;
  app.post('/v1/backup', { schema: { querystring: BackupQuery } }, async (request: BackupRequest, reply) => {
    const earlier = earlierOf(request.body);
    releaseBody(request.held);
    const reading = room.enter(reply.raw, true);
    const maxBytesPerSecond = request.query.maxBytesPerSecond ?? 0;
    const backup = await broker.backups.begin({ earlier, version, maxBytesPerSecond });
    try {
      await send(context, reading, reply, backup);
    } finally {
      backup.close();
    }
    return reply;
  });
}

/** The frames are the body; one that says why is the last where the broker cannot go on, and then the connection is cut. */
async function send({ room }: HttpContext, reading: Reading, reply: FastifyReply, backup: Backup): Promise<void> {
  const response = reply.hijack().raw;
  response.writeHead(200, { 'content-type': BACKUP_TYPE, 'cache-control': 'no-store' });
  try {
    for await (const bytes of backup.frames()) {
      if (reading.ended !== undefined) return void response.destroy();
      if (!response.write(bytes) && !(await room.drained(reading, response))) return void response.destroy();
      // The files come from the page cache as fast as a fast reader takes them: others must have their turn.
      await setImmediate();
    }
  } catch {
    // The reason is in the last frame.
    response.end();
    return;
  }
  room.watchStall(response);
  response.end();
}

/** The body, where there is one, is JSON: `clusterId` and `files` of the manifest of an earlier backup. */
function earlierOf(body: Uint8Array | undefined): EarlierBackup | undefined {
  if (body === undefined || body.length === 0) return undefined;
  let value: { clusterId?: unknown; files?: unknown } | null;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8')) as typeof value;
  } catch {
    throw new MillraceError('HTTP_JSON_INVALID', 'The body is no JSON: expected clusterId and files of a manifest.');
  }
  if (typeof value !== 'object' || value === null || typeof value.clusterId !== 'string') throw invalid('no clusterId');
  try {
    return { clusterId: value.clusterId, files: parseBackupFiles(value.files, 'in the request') };
  } catch (error) {
    throw invalid(asMillraceError(error).message);
  }
}

function invalid(fault: string): MillraceError {
  return new MillraceError(
    'HTTP_REQUEST_INVALID',
    `The body is not what it should be, clusterId and files of an earlier manifest: ${fault}`,
    { details: { in: 'body' } },
  );
}
