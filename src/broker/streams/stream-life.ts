/** How long a stream lives (its time to live, its date of expiry), and who may still use it then. Pure. */
import { MillraceError } from '../../base/errors.ts';
import type { Topic } from '../topic.ts';
import type { Stream } from './stream.ts';

/** Milliseconds until it expires; Infinity where it does not. */
export function lifeLeftMs({ config, accessedAt, expiresAtMs }: Stream, now: number): number {
  const { ttlSeconds } = config;
  const byTtl = ttlSeconds === undefined ? Number.POSITIVE_INFINITY : accessedAt + ttlSeconds * 1000 - now;
  return Math.min(byTtl, (expiresAtMs ?? Number.POSITIVE_INFINITY) - now);
}

export function isExpired(stream: Stream, now: number): boolean {
  if (stream.expiresAtMs === undefined && stream.config.ttlSeconds === undefined) return false;
  return lifeLeftMs(stream, now) <= 0;
}

/** Whether it may be read and written. @throws BROKER_STREAM_NOT_FOUND, BROKER_STREAM_GONE. */
export function checkAlive(stream: Stream, now: number): void {
  const { topic } = stream;
  if (topic.deleted) throw streamNotFound(topic.name, undefined);
  const expired = isExpired(stream, now);
  if (stream.retired || (expired && stream.forkCount > 0)) {
    throw new MillraceError(
      'BROKER_STREAM_GONE',
      `Stream ${topic.name} was deleted; its records are kept for its forks alone.`,
      { details: { stream: topic.name } },
    );
  }
  if (expired) throw streamNotFound(topic.name, undefined);
}

/** Whether it may be forked. @throws BROKER_STREAM_NOT_FOUND, BROKER_STREAM_CONFLICT. */
export function checkSource(source: Stream, now: number): void {
  const { name } = source.topic;
  const expired = isExpired(source, now);
  if (source.topic.deleted || (expired && source.forkCount === 0)) throw streamNotFound(name, undefined);
  if (!source.retired && !expired) return;
  throw new MillraceError(
    'BROKER_STREAM_CONFLICT',
    `Stream ${name} cannot be forked: it was deleted, and is kept for the forks that it had then.`,
    { details: { stream: name } },
  );
}

export function streamNotFound(name: string, topic: Topic | undefined): MillraceError {
  const hint =
    topic === undefined ? '' : ' There is a topic of that name: PUT makes a stream of it, if it has one partition.';
  return new MillraceError('BROKER_STREAM_NOT_FOUND', `There is no stream ${name}.${hint}`, {
    details: { stream: name },
  });
}
