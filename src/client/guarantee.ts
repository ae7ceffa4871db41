/** What a back end can promise, for the compiler: programs that need transactions do not compile on one without. */

/** `exactly-once`: it has transactions. */
export type Guarantee = 'at-least-once' | 'exactly-once';

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
