/** How bodies are received: JSON for the topic routes, bytes for records, and a helpful refusal for everything else. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { BufferPool } from '../../base/buffer-pool.ts';
import { MillraceError } from '../../base/errors.ts';
import { mediaType } from './accept.ts';
import { type BodyHolder, readBody } from './body-reader.ts';
import type { HttpContext } from './context.ts';
import { JsonScan } from './json-scan.ts';
import { bodyText } from './record-input.ts';

declare module 'fastify' {
  interface FastifyRequest {
    held: BodyHolder;
  }
}

/** The largest topic definition is a few kilobytes. */
const MAX_ADMIN_BODY_BYTES = 1024 * 1024;

export function parseJsonBodies(app: FastifyInstance, { settings, bodies }: HttpContext): void {
  const maxBodyBytes = Math.min(MAX_ADMIN_BODY_BYTES, settings.maxBodyBytes);
  const types = ['application/json', 'application/merge-patch+json'];
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(types, async (request: FastifyRequest, payload: FastifyRequest['raw']) => {
    const text = bodyText(await readBody(payload, request.held, { maxBodyBytes, budget: bodies }));
    return parseJson(text);
  });
  refuseOtherBodies(app, types);
}

/** @param pool for routes that give the memory of bodies back. */
export function parseRecordBodies(
  app: FastifyInstance,
  { settings, bodies }: HttpContext,
  types: readonly string[],
  pool?: BufferPool,
): void {
  const limits = { maxBodyBytes: settings.maxBodyBytes, budget: bodies, pool };
  app.removeAllContentTypeParsers();
  app.addContentTypeParser([...types], (request: FastifyRequest, payload: FastifyRequest['raw']) =>
    readBody(payload, request.held, limits),
  );
  refuseOtherBodies(app, types);
}

/** The scan has the place of a mistake, and a limit of depth; JSON.parse alone has neither. */
function parseJson(text: string): unknown {
  const scan = new JsonScan(text);
  scan.value();
  scan.finish();
  return JSON.parse(text) as unknown;
}

function refuseOtherBodies(app: FastifyInstance, types: readonly string[]): void {
  app.addContentTypeParser('*', async (request: FastifyRequest) => {
    const type = mediaType(request.headers['content-type']);
    const hint = type === 'application/x-www-form-urlencoded' ? ' curl sends that type unless -H names another.' : '';
    const what =
      type === ''
        ? 'The body has no Content-Type'
        : `Content-Type ${JSON.stringify(type.slice(0, 100))} is not read here`;
    throw new MillraceError('HTTP_MEDIA_TYPE_UNSUPPORTED', `${what}. Send one of ${types.join(', ')}.${hint}`);
  });
}
