/**
 * DescribeLogDirs 1-4: one directory, the broker's, and the size of each partition in it. All partitions share the
 * journal's files, so a size is that of the partition's own batches, not of files.
 */
import { asMillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import {
  type DescribeLogDirsRequest,
  type DescribeLogDirsResponse,
  describeLogDirs,
} from '../../../wire/messages/describe-log-dirs.ts';
import { distinct } from '../distinct.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { findTopic } from '../topic-lookup.ts';

type Directory = DescribeLogDirsResponse['results'][number];

interface Wanted {
  /** As the client wrote it. */
  readonly name: string;
  /** Undefined: all. */
  readonly indexes: ReadonlySet<number> | undefined;
}

export const handle = handler(describeLogDirs, async (request, { broker }) => {
  const logDir = broker.directory;
  try {
    return { errorCode: ERROR_CODES.NONE, results: [await describe(request, broker)] };
  } catch (error) {
    // The directory cannot be read. Other directories would still be listed, if there were any.
    const errorCode = kafkaError(asMillraceError(error).code);
    return { errorCode: ERROR_CODES.NONE, results: [{ errorCode, logDir, topics: [] }] };
  }
});

async function describe(request: DescribeLogDirsRequest, broker: Broker): Promise<Directory> {
  const topics = [];
  for (const wanted of wantedOf(request, broker)) {
    const partitions = sizesOf(wanted, broker);
    // What does not exist is left out, as Kafka does.
    if (partitions.length > 0) topics.push({ name: wanted.name, partitions });
  }
  const { totalBytes, usableBytes } = await broker.space();
  return { errorCode: ERROR_CODES.NONE, logDir: broker.directory, topics, totalBytes, usableBytes };
}

function wantedOf({ topics }: DescribeLogDirsRequest, broker: Broker): readonly Wanted[] {
  if (topics === null) return Array.from(broker.topics.list(), ({ name }) => ({ name, indexes: undefined }));
  return distinct(topics, ({ topic }) => topic).map(({ topic, partitions }) => ({
    name: topic,
    indexes: new Set(partitions),
  }));
}

function sizesOf({ name, indexes }: Wanted, broker: Broker) {
  const partitions = findTopic(broker, name)?.partitions ?? [];
  const sizes = [];
  for (const partition of partitions) {
    if (indexes?.has(partition.index) === false) continue;
    const partitionSize = partition.sizeBytes;
    sizes.push({ partitionIndex: partition.index, partitionSize, offsetLag: 0, isFutureKey: false });
  }
  return sizes;
}
