/** `connect`: from a URI to a client. */
import { type Clock, waitingClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { type AbortOptions, opened, throwIfAborted } from './abort.ts';
import type { BackendLoader } from './backend.ts';
import { Client } from './client.ts';
import type { AppendingOf, GuaranteeOf } from './guarantee.ts';
import { parseUri, schemeOf, type UriForm } from './uri.ts';

/** Options of `connect`. */
export interface ConnectOptions extends AbortOptions {
  /** Shown in the server's log, where it has one. Default `millrace-sdk`. */
  readonly clientId?: string | undefined;
  /** Options of the library under the back end (TLS, SASL, ...), passed to it as they are. */
  readonly library?: Readonly<Record<string, unknown>> | undefined;
  /** Default: the system's, with timers that keep the process alive. */
  readonly clock?: Clock | undefined;
}

/** A scheme of URIs and the back end behind it. */
export interface Scheme {
  readonly form: UriForm;
  readonly load: () => Promise<BackendLoader>;
}

/** Back ends by the scheme of their URIs. */
export type Schemes = Readonly<Record<string, Scheme>>;

/** `connect`: from a URI to a client, whose type says what the back end can. */
export type Connect = <const Uri extends string>(
  uri: Uri,
  options?: ConnectOptions,
) => Promise<Client<GuaranteeOf<Uri>, AppendingOf<Uri>>>;

/**
 * Makes `connect` for a table of schemes: programs with back ends of their own add rows.
 *
 * ```ts
 * export const connect = createConnect({ ...SCHEMES, 'my+store': { form, load: () => import('./my-store.ts') } });
 * ```
 */
export function createConnect(schemes: Schemes): Connect {
  return async <const Uri extends string>(text: Uri, options: ConnectOptions = {}) => {
    throwIfAborted(options.signal);
    const scheme = findScheme(schemes, schemeOf(text));
    const uri = parseUri(text, scheme.form);
    const load = await scheme.load();
    const clock = options.clock ?? waitingClock;
    const { clientId = 'millrace-sdk', library = {} } = options;
    const backend = await opened(() => load({ uri, clock, random: chance, clientId, library }), options.signal);
    return new Client<GuaranteeOf<Uri>, AppendingOf<Uri>>({ backend, uri, clock, random: chance });
  };
}

/** Names that must not meet need good chance, and browsers have it too. */
function chance(): number {
  const [bits = 0] = crypto.getRandomValues(new Uint32Array(1));
  return bits / 2 ** 32;
}

function findScheme(schemes: Schemes, name: string): Scheme {
  const scheme = Object.hasOwn(schemes, name) ? schemes[name] : undefined;
  if (scheme !== undefined) return scheme;
  const known = Object.keys(schemes)
    .map((key) => `${key}://`)
    .join(', ');
  throw new MillraceError('CLIENT_URI_INVALID', `There is no back end for ${name}://. Known ones are ${known}.`, {
    details: { scheme: name },
  });
}
