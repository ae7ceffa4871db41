/** What every entry point of the SDK has, whichever back ends it knows. Nothing here needs Node.js. */
export { type Clock, systemClock } from '../base/clock.ts';
export { type ErrorCode, type ErrorKind, MillraceError } from '../base/errors.ts';
export type { RecordHeader } from '../model/record.ts';
export type { AbortOptions } from './abort.ts';
export { Admin } from './admin.ts';
export type {
  Acks,
  Backend,
  BackendAdmin,
  BackendContext,
  BackendLoader,
  ConditionalOutcome,
  ConditionalWriter,
  CreateTopicOptions,
  Features,
  GroupPositions,
  Membership,
  Offsets,
  PartitionFacts,
  Reader,
  ReaderMode,
  ReaderOptions,
  ReadOptions,
  TopicFacts,
  TransactionalWriter,
  TransactionOptions,
  TrimLimit,
  WriteBatch,
  Writer,
  WriterOptions,
} from './backend.ts';
export { Client } from './client.ts';
export { type Codec, checked, type InputOf, json, nullable, type OutputOf, raw, string } from './codec.ts';
export type { CommitPolicy } from './commit-policy.ts';
export { type Connect, type ConnectOptions, createConnect, type Scheme, type Schemes } from './connect.ts';
export {
  type BatchOptions,
  Consumer,
  type ConsumerOptions,
  type LoadBalancedOptions,
  type RealTimeOptions,
  type RecordBatch,
  type ResumableOptions,
  type Undecodable,
} from './consumer.ts';
export type { Appending, AppendingOf, Guarantee, GuaranteeOf } from './guarantee.ts';
export { type AnyHeaders, type HeaderCodecs, type HeadersInput, RecordHeaders } from './headers.ts';
export type { Partitioner, PartitionerInput, PartitionerName } from './partitioner.ts';
export type { Place, Position } from './position.ts';
export { Producer, type ProducerOptions, type Ticket } from './producer.ts';
export type { ConsumedRecord, EncodedRecord, ProducerRecord, RawRecord, Receipt, RecordPlace } from './record.ts';
export type { StandardSchema } from './standard-schema.ts';
export {
  type Transaction,
  type TransactionalProducerOptions,
  Transactor,
  type TransactorOptions,
} from './transactor.ts';
export type { BackendUri, UriForm } from './uri.ts';
