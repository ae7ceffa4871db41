/**
 * Answers leave when the step that made them is over, never in the middle of it: a listener that is answered may call
 * the coordinator again at once, and must find every group in a finished state.
 *
 * One for all groups: steps do not nest across groups, and answers leave in the order they were made.
 */
export class Outbox {
  #depth = 0;
  readonly #answers: (() => void)[] = [];

  /** To be called inside `step` only; `answer` runs once, after the outermost step. */
  push(answer: () => void): void {
    this.#answers.push(answer);
  }

  /** Runs one step of the state machine: a request, a deadline, or a settled transaction. */
  step<T>(run: () => T): T {
    this.#depth += 1;
    try {
      return run();
    } finally {
      try {
        if (this.#depth === 1) this.#drain();
      } finally {
        this.#depth -= 1;
      }
    }
  }

  /**
   * Still inside the outermost step, so steps that an answer starts add to the same queue. An answer that throws is a
   * defect of its listener; those behind it leave with the next step.
   */
  #drain(): void {
    for (let answer = this.#answers.shift(); answer !== undefined; answer = this.#answers.shift()) answer();
  }
}
