/** DescribeAcls 1-3: there are no access rules. */
import { describeAcls } from '../../../wire/messages/describe-acls.ts';
import { ACLS_DISABLED } from '../acls-disabled.ts';
import { handler } from '../handler.ts';

export const handle = handler(describeAcls, () => ({ ...ACLS_DISABLED, resources: [] }));
