import { ERROR_CODES } from '../../wire/error-codes.ts';

/** What requests about access rules are answered: there are none, which clients know as SECURITY_DISABLED. */
export const ACLS_DISABLED = {
  errorCode: ERROR_CODES.SECURITY_DISABLED,
  errorMessage: 'There are no access rules on this broker: whoever reaches a listener may do everything.',
} as const;
