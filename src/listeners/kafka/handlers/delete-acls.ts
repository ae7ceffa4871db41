/** DeleteAcls 1-3: there are no access rules. */
import { deleteAcls } from '../../../wire/messages/delete-acls.ts';
import { ACLS_DISABLED } from '../acls-disabled.ts';
import { handler } from '../handler.ts';

export const handle = handler(deleteAcls, ({ filters }) => ({
  filterResults: filters.map(() => ({ ...ACLS_DISABLED, matchingAcls: [] })),
}));
