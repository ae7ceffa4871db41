/** Facts of the whole data directory: its cluster id, and how far producer ids are given out. */
import { StateReader, StateWriter } from '../base/state-bytes.ts';
import { checkBodyVersion } from './body-version.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from './state-part.ts';

const BODY_VERSION = 1;

export const clusterCommands = {
  formatted(clusterId: string, createdAt: number): Uint8Array {
    return new StateWriter().u8(BODY_VERSION).string(clusterId).i64(createdAt).finish();
  },
  /** Ids below `end` (exclusive) are given out or lost; none of them is given out again. */
  producerIdsReserved(end: number): Uint8Array {
    return new StateWriter().u8(BODY_VERSION).i64(end).finish();
  },
};

export class ClusterState implements StatePart {
  readonly section = CHECKPOINT_SECTION.CLUSTER;
  readonly commands = [COMMAND.CLUSTER_FORMATTED, COMMAND.PRODUCER_IDS_RESERVED];
  /** Empty in a directory that was never opened. */
  clusterId = '';
  createdAt = 0;
  /** Exclusive end of the producer ids that may have been given out. */
  producerIdsEnd = 0;

  apply(type: number, body: Uint8Array): void {
    const reader = new StateReader(body, `State command ${type}`);
    checkBodyVersion(type, reader.u8(), BODY_VERSION);
    if (type === COMMAND.CLUSTER_FORMATTED) {
      this.clusterId = reader.string();
      this.createdAt = reader.i64();
    } else {
      this.producerIdsEnd = reader.i64();
    }
  }

  snapshot(writer: StateWriter): void {
    writer.string(this.clusterId).i64(this.createdAt).i64(this.producerIdsEnd);
  }

  restore(reader: StateReader): void {
    this.clusterId = reader.string();
    this.createdAt = reader.i64();
    this.producerIdsEnd = reader.i64();
  }
}
