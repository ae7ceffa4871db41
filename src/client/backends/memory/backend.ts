/**
 * `memory://name`: topics in this process, for tests and for pipelines inside one program. Clients of the same name share
 * them; a client of the empty name has its own. They go with the process.
 */
import type { Backend, BackendLoader, Reader, WriteBatch, Writer } from '../../backend.ts';
import { numberOption, type UriForm } from '../../uri.ts';
import { DEFAULT_MEMORY_MAX_BYTES, MemoryLog, type MemoryPartition } from './memory-log.ts';
import { MemoryReader } from './reader.ts';

export const MEMORY_FORM: UriForm = {
  rest: 'topics',
  options: ['partitions', 'max-bytes'],
  nodes: 'name',
  credentials: false,
};

/** By name, for the life of the process: whoever connects later finds what was written. */
const shared = new Map<string, MemoryLog>();

export const openMemory: BackendLoader = async ({ uri }) => {
  const [name = ''] = uri.nodes;
  const partitionCount = numberOption(uri, 'partitions', 1, 1);
  const maxBytes = numberOption(uri, 'max-bytes', DEFAULT_MEMORY_MAX_BYTES, 1);
  const log = shared.get(name) ?? new MemoryLog(partitionCount, maxBytes);
  if (name !== '') shared.set(name, log);
  return memoryBackend(log);
};

function memoryBackend(log: MemoryLog): Backend {
  return {
    name: 'memory',
    features: {
      keys: true,
      headers: true,
      tombstones: true,
      partitions: true,
      seek: true,
      resumable: true,
      loadBalanced: true,
      acknowledgesRecords: false,
      transactions: false,
      conditionalAppends: true,
      offsetsFromZero: true,
    },
    admin: {
      createTopic: async (topic, { partitions }) => void log.create(topic, partitions),
      deleteTopic: async (topic) => log.delete(topic),
      listTopics: async () => log.topicNames,
      describeTopic: async (topic) => log.describe(topic),
    },
    openWriter: async (): Promise<Writer> => ({
      partitionCount: async (topic) => log.partitions(topic).length,
      write: async (batches) => batches.map((batch) => append(log, batch)),
      close: async () => undefined,
    }),
    openConditionalWriter: async () => ({
      append: async (batch, endOffset) => {
        const { endOffset: end } = partitionOf(log, batch);
        return end === endOffset ? { outcome: 'written', offsets: append(log, batch) } : { outcome: 'moved' };
      },
      close: async () => undefined,
    }),
    openReader: async (options): Promise<Reader> => new MemoryReader(log, options),
    close: async () => undefined,
  };
}

function partitionOf(log: MemoryLog, { topic, partition }: WriteBatch): MemoryPartition {
  const target = log.partitions(topic)[partition];
  if (target === undefined) throw new RangeError(`topic ${topic} has no partition ${partition}`);
  return target;
}

function append(log: MemoryLog, batch: WriteBatch): (index: number) => bigint {
  const target = partitionOf(log, batch);
  const baseOffset = target.endOffset;
  log.append(target, batch.records);
  return (index) => baseOffset + BigInt(index);
}
