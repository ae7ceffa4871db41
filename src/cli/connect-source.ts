import { type Client, connect } from '../sdk/index.ts';

/** Schemes whose servers create a topic when a reader names it. */
const CREATING = /^(?:kafka|millrace|millrace\+dir):/i;

/**
 * Connects to what a command reads. A topic that is not there is an error, as it is over HTTP: a mistyped name would be created,
 * and the command would end well having read nothing. `?auto-create=true` in the URI lets it be created.
 */
export async function connectSource(uri: string): Promise<Client> {
  return await connect(withoutCreation(uri));
}

function withoutCreation(uri: string): string {
  if (!CREATING.test(uri) || /[?&]auto-create=/.test(uri)) return uri;
  return `${uri}${uri.includes('?') ? '&' : '?'}auto-create=false`;
}
