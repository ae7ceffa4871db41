/** `/v1/topics/{name}/config`: settings of a topic, read and changed. */
import type { FastifyInstance } from 'fastify';
import type { Broker } from '../../../broker/broker.ts';
import type { Topic } from '../../../broker/topic.ts';
import type { ConfigChange } from '../../../broker/topic-config.ts';
import type { HttpContext } from '../context.ts';
import { findTopic } from '../find-topic.ts';
import { ConfigPatch, type ConfigView, TopicParams } from '../schemas.ts';
import { TOPICS_PATH } from '../topic-path.ts';

const PATH = `${TOPICS_PATH}/:name/config`;

export function topicConfigRoutes(app: FastifyInstance, { broker }: HttpContext): void {
  app.get<{ Params: TopicParams }>(PATH, { schema: { params: TopicParams } }, (request, reply) =>
    reply.send(viewOf(broker, findTopic(broker, request.params.name))),
  );

  const schema = { params: TopicParams, body: ConfigPatch };
  app.patch<{ Params: TopicParams; Body: ConfigPatch }>(PATH, { schema }, async (request, reply) => {
    const topic = findTopic(broker, request.params.name);
    await broker.topics.configure(topic, Object.entries(request.body).map(changeOf));
    return reply.send(viewOf(broker, topic));
  });
}

/** RFC 7396: null removes, which for a setting means its default. */
function changeOf([name, value]: [string, string | number | boolean | null]): ConfigChange {
  return value === null ? { name, op: 'delete' } : { name, op: 'set', value: String(value) };
}

function viewOf(broker: Broker, topic: Topic): ConfigView {
  return {
    config: broker.topics
      .describeConfig(topic)
      .filter((entry) => !entry.sensitive)
      .map(({ name, value, source, isDefault, readOnly, type, documentation }) => ({
        name,
        value,
        source,
        isDefault,
        readOnly,
        type,
        documentation,
      })),
  };
}
