/** What failed, and why, where system errors end with the address that `what` may name already. */

const AT_END = /^(.*\S) (\S+:\d+)$/s;
const ADDRESS = /[^\s/,]+:\d+/g;

/** `WHAT: REASON`, with the address once. Where `what` names several, the reason's says which of them it was. */
export function failureMessage(what: string, reason: string): string {
  const [, short, address] = AT_END.exec(reason) ?? [];
  const named = what.match(ADDRESS) ?? [];
  const isKnown = named.length === 1 && named[0] === address;
  return `${what}: ${isKnown && short !== undefined ? short : reason}`;
}
