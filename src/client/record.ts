/** Records as programs see them (typed) and as back ends see them (bytes). */
import type { RecordHeader } from '../model/record.ts';
import type { HeadersInput, RecordHeaders } from './headers.ts';

/** What a producer is given. */
export interface ProducerRecord<Value, Key, Headers> {
  readonly value: Value;
  /** Records with equal keys go to one partition, and so keep their order. */
  readonly key?: Key | null | undefined;
  /** Default: the producer's topic. */
  readonly topic?: string | undefined;
  /** Default: what the partitioner says. */
  readonly partition?: number | undefined;
  /** `RecordHeaders` of a record that was read pass on as they are. */
  readonly headers?: HeadersInput<Headers> | RecordHeaders<unknown> | undefined;
  /** Milliseconds since 1970, or a Date. Default: now. */
  readonly timestamp?: number | Date | undefined;
}

/** Where a record is: unique in its back end. */
export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
  /** Number in its partition. 64 bits, because Redis Streams and `.ss` files need them. */
  readonly offset: bigint;
}

/** The back end's word that it has the record. */
export interface Receipt extends RecordPlace {
  readonly timestamp: number;
}

/** What a consumer gives out. */
export interface ConsumedRecord<Value, Key, Headers> extends RecordPlace {
  readonly key: Key | null;
  readonly value: Value;
  readonly headers: RecordHeaders<Headers>;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** On the way to a back end; owned by the producer until it is written. */
export interface EncodedRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  readonly timestamp: number;
}

/** From a back end. Bytes are views: they keep their batch in memory, nothing else. */
export interface RawRecord extends RecordPlace {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  readonly timestamp: number;
}

/** For limits: what the bytes of a record come to, and a little for what is around them. */
export function sizeOf(record: EncodedRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const header of record.headers) bytes += header.key.length + (header.value?.length ?? 0);
  return bytes;
}

/** What a record costs beyond its bytes, in memory and on the wire, about. */
const RECORD_OVERHEAD_BYTES = 64;
