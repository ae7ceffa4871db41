/** What stands in a http:// URI; apart from the back end, so that reading it loads nothing. */
import type { UriForm } from '../../uri.ts';

export const HTTP_FORM: UriForm = { rest: 'topics', options: [], nodes: 'servers', credentials: true };
