/** Closing several things in order, where a failure of one is no reason to leave the next open. */

export interface CloseStep {
  /** For messages: `kafka listener`. */
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Runs the steps one after another, all of them.
 *
 * @throws AggregateError with every failure, when there were any.
 */
export async function closeAll(steps: readonly CloseStep[]): Promise<void> {
  const failures: Error[] = [];
  for (const step of steps) {
    try {
      await step.close();
    } catch (error) {
      failures.push(
        new Error(`${step.name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error }),
      );
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'The broker did not stop cleanly');
}
