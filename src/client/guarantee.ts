/** What a back end can promise, for the compiler: programs that need transactions do not compile on one without. */

/** `exactly-once`: it has transactions. */
export type Guarantee = 'at-least-once' | 'exactly-once';

/** `if-unchanged`: it can append on condition that a log still ends where the writer saw it end. */
export type Appending = 'always' | 'if-unchanged';

type WithTransactions = `kafka://${string}` | `millrace://${string}` | `millrace+dir://${string}`;
type WithoutTransactions =
  | `redis://${string}`
  | `rediss://${string}`
  | `http://${string}`
  | `https://${string}`
  | `file://${string}`
  | `stdio://${string}`
  | `memory://${string}`;

/** From a URI that the compiler knows; of others it is not known, and `hasTransactions()` tells. */
export type GuaranteeOf<Uri extends string> = Uri extends WithTransactions
  ? 'exactly-once'
  : Uri extends WithoutTransactions
    ? 'at-least-once'
    : Guarantee;

type WithConditions =
  | `http://${string}`
  | `https://${string}`
  | `redis://${string}`
  | `rediss://${string}`
  | `memory://${string}`
  | `millrace+dir://${string}`;
type WithoutConditions = `kafka://${string}` | `millrace://${string}` | `file://${string}` | `stdio://${string}`;

/** The same for conditional appends; of other URIs `hasConditionalAppends()` tells. */
export type AppendingOf<Uri extends string> = Uri extends WithConditions
  ? 'if-unchanged'
  : Uri extends WithoutConditions
    ? 'always'
    : Appending;
