/**
 * Topic names. `/` and `.` both separate levels and name the same topic: HTTP says `food/eggs`, Kafka says `food.eggs`.
 * Inside Millrace there is one form, dotted, which keeps to Kafka's limits: 1 to 249 characters of [a-zA-Z0-9._-].
 * A level is never empty, which also rules out Kafka's forbidden "." and "..".
 */
import { MillraceError } from '../base/errors.ts';

/** Kafka's limit, so that its clients and tools can name every topic. */
export const MAX_TOPIC_NAME_LENGTH = 249;

const CANONICAL = /^[a-zA-Z0-9_-]+(?:\.[a-zA-Z0-9_-]+)*$/;
const ALLOWED = 'a-z, A-Z, 0-9, "_" and "-", with "." or "/" between levels';
/** How much of a refused name an error repeats: it may be megabytes of anything. */
const SHOWN_LENGTH = 80;

/**
 * The dotted form of a name from outside. Two names that fold to the same form are the same topic.
 * @throws MODEL_TOPIC_NAME_INVALID saying what is wrong, where, and what is allowed.
 */
export function foldTopicName(name: string): string {
  if (name.length > MAX_TOPIC_NAME_LENGTH)
    throw invalid(name, `it has ${name.length} characters, at most ${MAX_TOPIC_NAME_LENGTH} are allowed`);
  const folded = name.includes('/') ? name.replaceAll('/', '.') : name;
  if (!CANONICAL.test(folded)) throw invalid(name, reason(name));
  return folded;
}

/** `foldTopicName` for callers to whom a wrong name is an outcome and not an exception. */
export function tryFoldTopicName(name: string): string | undefined {
  if (name.length > MAX_TOPIC_NAME_LENGTH) return undefined;
  const folded = name.includes('/') ? name.replaceAll('/', '.') : name;
  return CANONICAL.test(folded) ? folded : undefined;
}

/** The form for HTTP paths and people: levels separated by `/`. */
export function topicPath(canonicalName: string): string {
  return canonicalName.replaceAll('.', '/');
}

export function topicLevels(canonicalName: string): string[] {
  return canonicalName.split('.');
}

function reason(name: string): string {
  if (name.length === 0) return 'it is empty; give at least one character';
  const stranger = /[^a-zA-Z0-9._/-]/u.exec(name);
  if (stranger)
    return `character ${JSON.stringify(stranger[0])} at position ${stranger.index} is not allowed; use ${ALLOWED}`;
  const emptyAt = /^[./]|[./]{2}|[./]$/.exec(name);
  const where = emptyAt === null ? 0 : emptyAt.index;
  return `the level at position ${where} is empty; write one "." or "/" between levels and none at the ends`;
}

function invalid(name: string, why: string): MillraceError {
  const shown = name.length > SHOWN_LENGTH ? `${name.slice(0, SHOWN_LENGTH)}...` : name;
  return new MillraceError('MODEL_TOPIC_NAME_INVALID', `Topic name ${JSON.stringify(shown)} is refused: ${why}.`, {
    details: { name: shown, length: name.length },
  });
}
