/** What stands in a file:// URI; apart from the back end, so that reading it loads nothing. */
import type { UriForm } from '../../uri.ts';

export const FILE_FORM: UriForm = {
  rest: 'file',
  options: ['create', 'beacon-interval', 'max-bytes', 'eos', 'shards'],
  nodes: 'none',
  credentials: false,
};
