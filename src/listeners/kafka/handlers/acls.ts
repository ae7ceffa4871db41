/** DescribeAcls, CreateAcls, DeleteAcls 1-3: there are no access rules, which clients know as SECURITY_DISABLED. */
import { createAcls, deleteAcls, describeAcls, ERROR_CODES } from '../../../wire/index.ts';
import { handler } from '../handler.ts';

const DISABLED = {
  errorCode: ERROR_CODES.SECURITY_DISABLED,
  errorMessage: 'There are no access rules on this broker: whoever reaches a listener may do everything.',
} as const;

export const handleDescribeAcls = handler(describeAcls, [1, 3], () => ({ ...DISABLED, resources: [] }));

export const handleCreateAcls = handler(createAcls, [1, 3], ({ creations }) => ({
  results: creations.map(() => DISABLED),
}));

export const handleDeleteAcls = handler(deleteAcls, [1, 3], ({ filters }) => ({
  filterResults: filters.map(() => ({ ...DISABLED, matchingAcls: [] })),
}));
