/** `/v1/api`: a page (ui/api) on which every operation of the OpenAPI document can be tried. */
import { readFile } from 'node:fs/promises';
import type { FastifyInstance, FastifyReply } from 'fastify';

const DIRECTORY = new URL('../../../../ui/api/', import.meta.url);
const PATH = '/v1/api';
const TYPES = {
  'index.html': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
} as const;

/** Nothing but its own files, and nobody may frame it: whoever uses the page may delete topics. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export function apiPageRoutes(app: FastifyInstance): void {
  app.get('/', (_request, reply) => reply.redirect(PATH));
  app.get(PATH, (_request, reply) => sendFile(reply, 'index.html'));
  app.get(`${PATH}/page.css`, (_request, reply) => sendFile(reply, 'page.css'));
  app.get(`${PATH}/page.js`, (_request, reply) => sendFile(reply, 'page.js'));
}

async function sendFile(reply: FastifyReply, name: keyof typeof TYPES): Promise<FastifyReply> {
  const bytes = await readFile(new URL(name, DIRECTORY));
  return reply
    .type(TYPES[name])
    .headers({ 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff', 'cache-control': 'no-cache' })
    .send(bytes);
}
