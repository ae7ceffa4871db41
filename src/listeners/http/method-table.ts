/** Which methods each path has, to tell "no such path" from "not with this method" (RFC 9110, 15.5.6). */
import { MillraceError } from '../../base/errors.ts';
import { foldTopicPath } from './topic-path.ts';

export class MethodTable {
  readonly #methods = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  /** @param url as the router has it, with `:name` for one segment and `*` for all the rest. */
  add(method: string | readonly string[], url: string): void {
    let entry = this.#methods.get(url);
    if (entry === undefined) {
      const source = url
        .replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`)
        .replaceAll(/:\w+/g, '[^/]+')
        .replace(/\*$/, '.*');
      entry = { pattern: new RegExp(`^${source}$`), methods: new Set() };
      this.#methods.set(url, entry);
    }
    for (const name of typeof method === 'string' ? [method] : method) entry.methods.add(name);
  }

  refusal(method: string, path: string): MillraceError {
    const folded = foldTopicPath(path);
    const allowed = [...this.#methods.values()].filter(({ pattern }) => pattern.test(folded));
    const [entry] = allowed;
    const shown = path.length > 200 ? `${path.slice(0, 200)}...` : path;
    if (entry === undefined) {
      return new MillraceError('HTTP_ROUTE_NOT_FOUND', `Nothing is served at ${shown}. See docs/protocol.md.`);
    }
    const allow = [...entry.methods].sort().join(', ');
    return new MillraceError('HTTP_METHOD_NOT_ALLOWED', `${method} is not served at ${shown}; it takes ${allow}.`, {
      details: { allow },
    });
  }
}
