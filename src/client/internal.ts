/** What other rooms of ours use of the client beyond its public face. */
export { type Clock, type Timer, waitingClock } from '../base/clock.ts';
export { type ErrorCode, MillraceError } from '../base/errors.ts';
export { PARENT_HEADER } from '../model/headers.ts';
export type { RecordHeader } from '../model/record.ts';
export { type AbortOptions, abortable, abortError, delay, throwIfAborted, within } from './abort.ts';
export type { ConditionalWriter, GroupPositions } from './backend.ts';
export { Client } from './client.ts';
export { type Codec, decodePart, encodePart, nullable, raw, string } from './codec.ts';
export { Consumer, type ConsumerOptions, type ModeOptions, type Pulled } from './consumer.ts';
export type { Appending, Guarantee } from './guarantee.ts';
export { type HeaderCodecs, RecordHeaders } from './headers.ts';
export type { Place } from './position.ts';
export { Producer, type ProducerOptions } from './producer.ts';
export type { ConsumedRecord, RecordPlace } from './record.ts';
export type { Transactor } from './transactor.ts';
export { encodeUtf8 } from './utf8.ts';
export { Wake } from './wake.ts';
