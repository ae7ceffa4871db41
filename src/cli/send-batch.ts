import { MillraceError } from '../base/errors.ts';
import { type ApiClient, topicPath } from './api-client.ts';

const BATCH_TYPE = 'application/vnd.millrace.record-batch';

/** Appends one whole batch. Durable when it resolves, so that work that is interrupted has lost nothing that was counted. */
export async function sendBatch(client: ApiClient, topic: string, partition: number, batch: Uint8Array): Promise<void> {
  const path = topicPath(topic, 'records');
  try {
    await client.json('POST', path, { query: { partition, ack: 'durable' }, body: batch, contentType: BATCH_TYPE });
  } catch (error) {
    if (!(error instanceof MillraceError && error.code === 'MODEL_BATCH_TOO_LARGE')) throw error;
    throw new MillraceError(
      error.code,
      `${error.message} Delete ${topic}, and begin again with --config max.message.bytes=${batch.length} or more.`,
      { details: error.details, cause: error },
    );
  }
}
