/**
 * The memory back end with faults: the calls that the test names fail, before or after they took effect, writes also half-way.
 * What a crash between two steps of a program leaves behind, without a process to kill.
 */
import { type Client, createConnect, MillraceError, type Reader, type Writer } from '../../src/client/public.ts';
import { SCHEMES } from '../../src/client/schemes.ts';

export interface Fault {
  /** Number of the call, from 1: commits and writes are counted together. */
  readonly call: number;
  /** How much of it takes effect: 0 nothing, 1 all. */
  readonly share: number;
}

export interface FaultyMemory {
  readonly client: Client;
  /** Calls so far. */
  readonly calls: number;
}

/** @param faults each happens once. */
export async function faultyMemory(uri: string, faults: readonly Fault[]): Promise<FaultyMemory> {
  const left = new Map(faults.map((fault) => [fault.call, fault.share]));
  const state = { calls: 0 };
  const next = (): number | undefined => {
    state.calls += 1;
    const share = left.get(state.calls);
    left.delete(state.calls);
    return share;
  };
  const { memory } = SCHEMES;
  if (memory === undefined) throw new Error('there is a memory back end');
  const connect = createConnect({
    memory: {
      form: memory.form,
      load: async () => {
        const open = await memory.load();
        return async (context) => {
          const backend = await open(context);
          return {
            ...backend,
            openReader: async (options): Promise<Reader> => {
              const reader = await backend.openReader(options);
              const commit = async (): Promise<void> => {
                const share = next();
                if (share === undefined || share > 0.5) await reader.commit();
                if (share !== undefined) fail();
              };
              return { ...bound(reader), commit };
            },
            openWriter: async (options): Promise<Writer> => {
              const writer = await backend.openWriter(options);
              return {
                partitionCount: async (topic) => await writer.partitionCount(topic),
                close: async () => await writer.close(),
                async write(batches) {
                  const share = next();
                  if (share === undefined) return await writer.write(batches);
                  for (const batch of batches) {
                    const records = batch.records.slice(0, Math.round(batch.records.length * share));
                    if (records.length > 0) await writer.write([{ ...batch, records }]);
                  }
                  return fail();
                },
              };
            },
          };
        };
      },
    },
  });
  const client = await connect(uri);
  return {
    client,
    get calls() {
      return state.calls;
    },
  };
}

function fail(): never {
  throw new MillraceError('CLIENT_NETWORK', 'a fault of the test');
}

/** Methods of a class with private members work on the object itself only. */
function bound(reader: Reader): Omit<Reader, 'commit'> {
  return {
    read: async (options) => await reader.read(options),
    mark: (place) => reader.mark(place),
    partitions: () => reader.partitions(),
    seek: async (position, place) => await reader.seek(position, place),
    assign: async (partitions) => await reader.assign(partitions),
    close: async () => await reader.close(),
  };
}
