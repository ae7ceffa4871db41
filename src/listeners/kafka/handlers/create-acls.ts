/** CreateAcls 1-3: there are no access rules. */
import { createAcls } from '../../../wire/messages/create-acls.ts';
import { ACLS_DISABLED } from '../acls-disabled.ts';
import { handler } from '../handler.ts';

export const handle = handler(createAcls, ({ creations }) => ({
  results: creations.map(() => ACLS_DISABLED),
}));
