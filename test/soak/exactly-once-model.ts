/** What the pipeline makes of a record: the output must be the input, each record so changed, once and in order. */
export function transform(value: string): string {
  return `${value.toUpperCase()}!`;
}
