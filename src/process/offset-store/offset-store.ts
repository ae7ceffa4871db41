/**
 * Positions in the program's own database: effect and position count together, in one transaction of that database. What was
 * done is done once, whatever crashes, without transactions of the back end.
 */
import { MillraceError } from '../../client/internal.ts';

/** Where a group goes on in a partition. */
export interface StoredPosition {
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: bigint;
}

/** A step forward in a partition. */
export interface PositionMove extends StoredPosition {
  /** Where the program believes the group stands; undefined: nowhere yet. */
  readonly from: bigint | undefined;
}

/** @typeParam Transaction what the program writes its effects with. */
export interface OffsetStore<Transaction> {
  /** Positions of a group. Called when a pipeline starts; makes the table where it is missing. */
  load(group: string): Promise<readonly StoredPosition[]>;
  /**
   * Runs `work` and moves the positions, all or nothing.
   * @throws `positionMoved` where another program has moved one meanwhile (nothing is done then); what `work` threw.
   */
  transact(
    group: string,
    moves: readonly PositionMove[],
    work: (transaction: Transaction) => void | Promise<void>,
  ): Promise<void>;
}

/** The name of a table goes into statements as it is. @throws MillraceError CLIENT_OPTION_INVALID. */
export function checkTableName(table: string): string {
  if (/^[a-z_][a-z0-9_]{0,62}$/i.test(table)) return table;
  throw new MillraceError(
    'CLIENT_OPTION_INVALID',
    `${JSON.stringify(table)} is no name of a table: letters, digits and _.`,
  );
}

export function positionMoved(group: string, { topic, partition, from }: PositionMove): MillraceError {
  return new MillraceError(
    'PROCESS_POSITION_MOVED',
    `Group ${group} does not stand at ${from ?? 'no position'} in ${topic}/${partition} any more: another program works for it.`,
    { details: { group, topic, partition } },
  );
}
