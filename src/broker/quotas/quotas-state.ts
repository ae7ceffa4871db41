/** Client quotas as folded from the journal: bytes a second, by client id. Decides nothing; `quotas.ts` does. */
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkBodyVersion } from '../body-version.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';

const BODY_VERSION = 1;
/** On disk: no limit. */
const NONE = -1;

/** Bytes a second; undefined: no limit of its own. */
export interface ClientQuota {
  readonly producerByteRate: number | undefined;
  readonly consumerByteRate: number | undefined;
}

/** A client id, or undefined for all that have no quota of their own. */
export type QuotaEntity = string | undefined;

/** Bodies of the command, versioned by their first byte. Byte layout: docs/formats.md, "State commands". */
export const quotaCommands = {
  /** Both undefined: the entity has none from now on. */
  changed(entity: QuotaEntity, quota: ClientQuota): Uint8Array {
    const writer = new StateWriter().u8(BODY_VERSION);
    writeQuota(writer, entity, quota);
    return writer.finish();
  },
};

export class QuotasState implements StatePart {
  readonly section = CHECKPOINT_SECTION.CLIENT_QUOTAS;
  readonly commands = [COMMAND.CLIENT_QUOTA_CHANGED];
  /** Counts changes, so that who keeps something made of a quota knows when to look again. */
  version = 0;
  readonly #quotas = new Map<QuotaEntity, ClientQuota>();

  get size(): number {
    return this.#quotas.size;
  }

  find(entity: QuotaEntity): ClientQuota | undefined {
    return this.#quotas.get(entity);
  }

  list(): Iterable<readonly [QuotaEntity, ClientQuota]> {
    return this.#quotas;
  }

  apply(type: number, body: Uint8Array): void {
    const reader = new StateReader(body, `State command ${type}`);
    checkBodyVersion(type, reader.u8(), BODY_VERSION);
    this.#read(reader);
    this.version += 1;
  }

  snapshot(writer: StateWriter): void {
    writer.list(this.#quotas, ([entity, quota]) => writeQuota(writer, entity, quota));
  }

  restore(reader: StateReader): void {
    reader.list(() => this.#read(reader));
    this.version += 1;
  }

  #read(reader: StateReader): void {
    const isDefault = reader.bool();
    const name = reader.string();
    const quota = { producerByteRate: rateOf(reader.i64()), consumerByteRate: rateOf(reader.i64()) };
    const entity = isDefault ? undefined : name;
    if (quota.producerByteRate === undefined && quota.consumerByteRate === undefined) this.#quotas.delete(entity);
    else this.#quotas.set(entity, quota);
  }
}

function writeQuota(writer: StateWriter, entity: QuotaEntity, quota: ClientQuota): void {
  writer.bool(entity === undefined).string(entity ?? '');
  writer.i64(quota.producerByteRate ?? NONE).i64(quota.consumerByteRate ?? NONE);
}

function rateOf(stored: number): number | undefined {
  return stored === NONE ? undefined : stored;
}
