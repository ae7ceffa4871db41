/**
 * URIs name a back end, its nodes and its topics: `scheme://[user:password@]node[,node...]/topic[,topic...][?option=value&...]`.
 *
 * Files and directories have a path where others have topics: `file:///data/a.ss/topic`, where everything up to the segment
 * that ends in `.ss` is the file, and `file://./a.ss/topic` for a path relative to the working directory. `?topics=a,b`
 * works with every scheme. Unknown options are refused, so that a misspelt one is not silently without effect.
 */
import { MillraceError } from '../base/errors.ts';

/** A URI, taken apart. */
export interface BackendUri {
  /** As given, without the password: for messages. */
  readonly text: string;
  readonly scheme: string;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** `host` or `host:port`, as written. */
  readonly nodes: readonly string[];
  readonly topics: readonly string[];
  /** For schemes with paths: absolute, or relative to the working directory. */
  readonly path: string;
  readonly options: ReadonlyMap<string, string>;
}

/** How a scheme reads what stands behind the nodes. */
export interface UriForm {
  readonly rest: 'topics' | 'file' | 'directory';
  /** Names of the options it knows, besides `topics`. */
  readonly options: readonly string[];
  /** What stands before the topics: at least one server, at most one name, or nothing. Paths have none. */
  readonly nodes: 'servers' | 'name' | 'none';
  /** `user:password@` means something. */
  readonly credentials: boolean;
}

const SHAPE = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/i;

/** @throws MillraceError CLIENT_URI_INVALID naming the part that is wrong. */
export function schemeOf(uri: string): string {
  const scheme = SHAPE.exec(uri)?.[1];
  if (uri.includes('#'))
    throw invalid(shown(uri), 'a # stands for nothing here; within a name or a password write %23');
  if (scheme === undefined) {
    throw invalid(shown(uri), 'write scheme://nodes/topics, for example kafka://127.0.0.1:9092/orders');
  }
  return scheme.toLowerCase();
}

/** @throws MillraceError CLIENT_URI_INVALID naming the part that is wrong. */
export function parseUri(uri: string, form: UriForm): BackendUri {
  const scheme = schemeOf(uri);
  const [, , authority = '', rest = '', query = ''] = SHAPE.exec(uri) ?? [];
  const text = shown(uri);
  const at = authority.lastIndexOf('@');
  if (at >= 0 && !form.credentials)
    throw invalid(text, `${scheme}:// takes no user and password; within a name write %40 for @`);
  if (at < 0 && form.credentials && query.includes('@'))
    throw invalid(text, 'write / ? # @ within a user or password as %2F %3F %23 %40');
  const [username, password] = credentials(authority.slice(0, Math.max(at, 0)), text);
  const options = parseQuery(query, form, text);
  const named = (options.get('topics') ?? '').split(',').filter(Boolean);
  const host = authority.slice(at + 1);
  const common = { text, scheme, username, password, options };
  switch (form.rest) {
    case 'topics': {
      const nodes = host.split(',').filter(Boolean);
      checkNodes(nodes, form, scheme, text);
      return { ...common, nodes, path: '', topics: unique([...listOf(decode(rest, text)), ...named]) };
    }
    case 'directory':
      return { ...common, nodes: [], path: pathOf(host, decode(rest, text), text), topics: unique(named) };
    case 'file': {
      const { file, topics } = splitFile(pathOf(host, decode(rest, text), text));
      if (file === '') throw invalid(text, 'name a file, as in file:///data/orders.ss/orders');
      return { ...common, nodes: [], path: file, topics: unique([...topics, ...named]) };
    }
    default:
      return form.rest satisfies never;
  }
}

/** A number option. @throws MillraceError CLIENT_URI_INVALID. */
export function numberOption(uri: BackendUri, name: string, fallback: number, min = 0): number {
  const value = uri.options.get(name);
  if (value === undefined) return fallback;
  const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min) return number;
  throw invalid(uri.text, `option ${name} must be a whole number from ${min}, not ${JSON.stringify(value)}`);
}

/** A true/false option; a bare name means true. @throws MillraceError CLIENT_URI_INVALID. */
export function booleanOption(uri: BackendUri, name: string, fallback: boolean): boolean {
  const value = uri.options.get(name);
  if (value === undefined) return fallback;
  if (value === 'true' || value === '') return true;
  if (value === 'false') return false;
  throw invalid(uri.text, `option ${name} must be true or false, not ${JSON.stringify(value)}`);
}

/** One of some words. @throws MillraceError CLIENT_URI_INVALID. */
export function wordOption<Word extends string>(
  uri: BackendUri,
  name: string,
  words: readonly Word[],
  fallback: Word,
): Word {
  const value = uri.options.get(name);
  if (value === undefined) return fallback;
  if ((words as readonly string[]).includes(value)) return value as Word;
  throw invalid(uri.text, `option ${name} must be one of ${words.join(', ')}, not ${JSON.stringify(value)}`);
}

/** Nodes as host and port. @throws MillraceError CLIENT_URI_INVALID for a port out of range. */
export function hostsOf(uri: BackendUri, defaultPort: number): { host: string; port: number }[] {
  return uri.nodes.map((node) => {
    const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(node);
    const port = match?.[2] === undefined ? defaultPort : Number(match[2]);
    if (match?.[1] === undefined || port > 65_535 || port === 0)
      throw invalid(uri.text, `node ${JSON.stringify(node)} is not HOST or HOST:PORT`);
    return { host: match[1].replace(/^\[|\]$/g, ''), port };
  });
}

function checkNodes(nodes: readonly string[], form: UriForm, scheme: string, text: string): void {
  if (form.nodes === 'servers' && nodes.length === 0)
    throw invalid(text, `name a node, as in ${scheme}://127.0.0.1/orders`);
  if (form.nodes === 'none' && nodes.length > 0)
    throw invalid(text, `${scheme}:// has no nodes; topics stand behind a third slash, as in ${scheme}:///${nodes[0]}`);
  if (form.nodes === 'name' && nodes.length > 1)
    throw invalid(
      text,
      `${scheme}:// takes one name; topics stand behind a slash, as in ${scheme}://${nodes[0]}/orders`,
    );
}

function credentials(text: string, uri: string): [string | undefined, string | undefined] {
  if (text === '') return [undefined, undefined];
  const colon = text.indexOf(':');
  if (colon < 0) return [decode(text, uri), undefined];
  return [decode(text.slice(0, colon), uri), decode(text.slice(colon + 1), uri, 'the password')];
}

function parseQuery(query: string, form: UriForm, uri: string): Map<string, string> {
  const options = new Map<string, string>();
  for (const part of query.split('&').filter(Boolean)) {
    const equals = part.indexOf('=');
    const name = decode(equals < 0 ? part : part.slice(0, equals), uri);
    if (name !== 'topics' && !form.options.includes(name)) {
      const known = ['topics', ...form.options].join(', ');
      throw invalid(uri, `there is no option ${JSON.stringify(name)}; this scheme has ${known}`);
    }
    if (options.has(name)) throw invalid(uri, `option ${name} is given twice`);
    options.set(name, equals < 0 ? '' : decode(part.slice(equals + 1), uri));
  }
  return options;
}

/** `file://./a.ss` and `file://dir/a.ss` are relative: what stands where hosts stand is the first segment. */
function pathOf(host: string, rest: string, uri: string): string {
  const path = host === '' ? rest : `${host}${rest}`;
  if (path === '' || path === '/') throw invalid(uri, 'name a path, as in file:///data/orders.ss');
  return path;
}

/** Up to the segment that ends in `.ss`; without one, all before the last slash, as SeaStreamer has it. */
function splitFile(path: string): { file: string; topics: string[] } {
  const match = /^(.*?\.ss)(?:\/(.*))?$/.exec(path);
  if (match?.[1] !== undefined) return { file: match[1], topics: listOf(match[2] ?? '') };
  const slash = path.lastIndexOf('/');
  return { file: path.slice(0, Math.max(slash, 0)), topics: listOf(path.slice(slash + 1)) };
}

function listOf(text: string): string[] {
  return text
    .replace(/^\/+|\/+$/g, '')
    .split(',')
    .filter(Boolean);
}

function unique(topics: readonly string[]): string[] {
  return [...new Set(topics)];
}

/** @param shownAs what a message calls it. */
function decode(text: string, uri: string, shownAs = JSON.stringify(text)): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(uri, `${shownAs} is not percent-encoded UTF-8`);
  }
}

/** Messages and logs show no password, also where it has characters that should have been written otherwise. */
function shown(uri: string): string {
  return uri.replace(/^([^:]+:\/\/[^:/?#@]*):.*@/, '$1:***@').slice(0, 200);
}

function invalid(uri: string, what: string): MillraceError {
  return new MillraceError('CLIENT_URI_INVALID', `URI ${JSON.stringify(uri)}: ${what}.`, { details: { uri } });
}
