/**
 * Bodies of the commands that change transactional ids. Big-endian; `str` is u32 length and UTF-8. All begin with u8
 * version and str transactionalId; the version is 1, but for TRANSACTION_ENDED, which is written as 2.
 *
 * | command | then | meaning |
 * |---|---|---|
 * | TRANSACTIONAL_ID_INITIALIZED | i64 at, i64 producerId, u16 producerEpoch, i64 previousProducerId, i32 previousEpoch, u32 timeoutMs | a producer has the id from now on |
 * | TRANSACTION_EXTENDED | i64 at, list of (str topic, list of (u32 number, u32 index)), list of str group | the first one begins a transaction |
 * | TRANSACTION_OFFSETS_STAGED | bytes of OFFSETS_COMMITTED | the group stores them if the transaction commits |
 * | TRANSACTION_ENDED | i64 at, u8 committed, u16 producerEpoch, list of (u32 partition, i64 firstOffset, i64 markerOffset); since version 2: i64 producerId, i32 previousEpoch | the list: what was aborted; id and epoch are those from now on |
 * | TRANSACTIONAL_ID_FORGOTTEN | | |
 *
 * TRANSACTION_ENDED stands behind the markers of its commit, and before the OFFSETS_COMMITTED of what it commits: a replay
 * applies these and decides nothing. Version 1 kept the producer id, and the previous epoch where the epoch stayed; it is
 * still read.
 *
 * Example, TRANSACTIONAL_ID_FORGOTTEN of "t": `01 00000001 74`.
 */
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkVersion } from '../groups/group-image.ts';

const VERSION = 1;
const ENDED_VERSION = 2;

export interface Initialized {
  readonly transactionalId: string;
  readonly at: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Of before the last change of the id; -1: none. */
  readonly previousProducerId: number;
  /** With which a producer repeats a request whose answer it lost; -1: none may. */
  readonly previousEpoch: number;
  readonly timeoutMs: number;
}

export interface AddedPartition {
  /** Number in the lane. */
  readonly number: number;
  readonly index: number;
}

export interface Extended {
  readonly transactionalId: string;
  readonly at: number;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly AddedPartition[] }[];
  readonly groups: readonly string[];
}

export interface AbortedRange {
  readonly partition: number;
  readonly firstOffset: number;
  readonly markerOffset: number;
}

export interface Ended {
  readonly transactionalId: string;
  readonly at: number;
  readonly committed: boolean;
  readonly producerEpoch: number;
  /** Who has the id from now on; undefined in version 1: the one who had it. */
  readonly producerId: number | undefined;
  /** With which the end may be repeated; -1: none may. Undefined in version 1: see there. */
  readonly previousEpoch: number | undefined;
  readonly aborted: readonly AbortedRange[];
}

export const transactionCommands = {
  initialized(body: Initialized): Uint8Array {
    return begin(body.transactionalId)
      .i64(body.at)
      .i64(body.producerId)
      .u16(body.producerEpoch)
      .i64(body.previousProducerId)
      .i32(body.previousEpoch)
      .u32(body.timeoutMs)
      .finish();
  },
  extended(body: Extended): Uint8Array {
    const writer = begin(body.transactionalId).i64(body.at);
    writer.list(body.topics, ({ topic, partitions }) => {
      writer.string(topic).list(partitions, ({ number, index }) => writer.u32(number).u32(index));
    });
    return writer.list(body.groups, (group) => writer.string(group)).finish();
  },
  offsetsStaged(transactionalId: string, offsets: Uint8Array): Uint8Array {
    return begin(transactionalId).bytes(offsets).finish();
  },
  ended(body: Ended & { readonly producerId: number; readonly previousEpoch: number }): Uint8Array {
    const writer = begin(body.transactionalId, ENDED_VERSION).i64(body.at).bool(body.committed).u16(body.producerEpoch);
    writer.list(body.aborted, ({ partition, firstOffset, markerOffset }) => {
      writer.u32(partition).i64(firstOffset).i64(markerOffset);
    });
    return writer.i64(body.producerId).i32(body.previousEpoch).finish();
  },
  forgotten(transactionalId: string): Uint8Array {
    return begin(transactionalId).finish();
  },
};

function begin(transactionalId: string, version = VERSION): StateWriter {
  return new StateWriter(128).u8(version).string(transactionalId);
}

/** Every body begins with version and id. @throws STORE_CORRUPT. */
export function openCommand(
  body: Uint8Array,
  newestVersion = VERSION,
): { reader: StateReader; transactionalId: string; version: number } {
  const reader = new StateReader(body, 'transaction command');
  const version = reader.u8();
  if (version !== VERSION) checkVersion('transaction command', version, newestVersion);
  return { reader, transactionalId: reader.string(), version };
}

/** As `openCommand`, whole. */
export function openEnded(body: Uint8Array): Ended {
  const { reader, transactionalId, version } = openCommand(body, ENDED_VERSION);
  return readEnded(reader, transactionalId, version);
}

export function readInitialized(reader: StateReader, transactionalId: string): Initialized {
  return {
    transactionalId,
    at: reader.i64(),
    producerId: reader.i64(),
    producerEpoch: reader.u16(),
    previousProducerId: reader.i64(),
    previousEpoch: reader.i32(),
    timeoutMs: reader.u32(),
  };
}

export function readExtended(reader: StateReader, transactionalId: string): Extended {
  return {
    transactionalId,
    at: reader.i64(),
    topics: reader.list(() => ({
      topic: reader.string(),
      partitions: reader.list(() => ({ number: reader.u32(), index: reader.u32() })),
    })),
    groups: reader.list(() => reader.string()),
  };
}

function readEnded(reader: StateReader, transactionalId: string, version: number): Ended {
  const common = {
    transactionalId,
    at: reader.i64(),
    committed: reader.bool(),
    producerEpoch: reader.u16(),
    aborted: reader.list(() => ({
      partition: reader.u32(),
      firstOffset: reader.i64(),
      markerOffset: reader.i64(),
    })),
  };
  if (version === VERSION) return { ...common, producerId: undefined, previousEpoch: undefined };
  return { ...common, producerId: reader.i64(), previousEpoch: reader.i32() };
}
