/** What a group needs from the world: time, ids, the journal, and a way to answer. Given by the coordinator. */
import type { MillraceError } from '../../base/errors.ts';
import type { GroupCounters, GroupLogger, GroupSettings } from './api.ts';
import type { Deadline } from './deadlines.ts';
import type { Group } from './group.ts';
import type { GroupImage } from './group-image.ts';
import type { Outbox } from './outbox.ts';

export interface GroupRuntime {
  readonly settings: GroupSettings;
  readonly counters: GroupCounters;
  readonly outbox: Outbox;
  readonly logger: GroupLogger | undefined;
  /** Wall clock, milliseconds. */
  now(): number;
  /** A timeout whose expiry is a step of its own. */
  deadline(expired: () => void): Deadline;
  /** @param prefix what people recognise the member by: its instance id or client id. */
  newMemberId(prefix: string): string;
  /** Stores the image; `settled` is a step of its own, once, perhaps before this returns: call it last in a step. */
  store(image: GroupImage, settled: (error: MillraceError | undefined) => void): void;
  /** `settled` once everything staged so far is durable; a step of its own. */
  barrier(settled: (error: MillraceError | undefined) => void): void;
  /** The group may have nothing left to do. */
  settleDown(group: Group): void;
}
