import { MillraceError } from '../base/errors.ts';
import { tryFoldTopicName } from '../model/topic-name.ts';

/**
 * Prefixes of topic names in canonical form, from a list separated by commas: `food/, billing/eu/`. They end at a level, so that
 * `food/` is not also `foodstuff`.
 *
 * @throws CONFIG_INVALID.
 */
export function keyPrefixes(text: string): string[] {
  const words = text.split(',').map((word) => word.trim());
  return words
    .filter((word) => word !== '')
    .map((word) => {
      const name = /[./]$/.test(word) ? tryFoldTopicName(word.slice(0, -1)) : undefined;
      if (name !== undefined) return `${name}.`;
      throw new MillraceError(
        'CONFIG_INVALID',
        `'${word.slice(0, 300)}' is no prefix of topics with a key of its own: expected the begin of a name with / at its end.`,
        { details: { setting: 'encryption.prefixes' } },
      );
    });
}
