/** What stands in a stdio:// URI; apart from the back end, so that reading it loads nothing. */
import type { UriForm } from '../../uri.ts';

export const STDIO_FORM: UriForm = { rest: 'topics', options: [], nodes: 'none', credentials: false };
