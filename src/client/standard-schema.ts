/**
 * The Standard Schema interface, version 1, which zod, valibot, arktype and others implement: a schema from any of them is
 * taken as it is, without a dependency on one. Source: standardschema.dev; the shape below is what we read of it.
 */

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Result<Output> | Promise<Result<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

type Result<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly Issue[] };

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

export type InferInput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['input'];
export type InferOutput<S extends StandardSchema> = NonNullable<S['~standard']['types']>['output'];

/** Issues that a message repeats; the rest is counted. */
const SHOWN_ISSUES = 3;

/**
 * @returns the schema's output.
 * @throws Error with the schema's own words and the place of each; TypeError for a schema that validates asynchronously:
 *   records are decoded in a row, so a schema cannot wait for something.
 */
export function validate(schema: StandardSchema, value: unknown): unknown {
  const result = schema['~standard'].validate(value);
  if (result instanceof Promise) {
    // Whatever comes of it is not wanted any more.
    result.catch(() => undefined);
    throw new TypeError('the schema validates asynchronously; use one without asynchronous checks');
  }
  if (result.issues === undefined) return result.value;
  throw new Error(describe(result.issues));
}

function describe(issues: readonly Issue[]): string {
  const shown = issues.slice(0, SHOWN_ISSUES).map((issue) => `${place(issue)}${issue.message}`);
  const more = issues.length > SHOWN_ISSUES ? `; and ${issues.length - SHOWN_ISSUES} more` : '';
  return `${shown.join('; ')}${more}`;
}

function place(issue: Issue): string {
  const path = (issue.path ?? []).map((step) => String(typeof step === 'object' ? step.key : step));
  return path.length === 0 ? '' : `${path.join('.')}: `;
}
