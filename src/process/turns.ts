/** Lets timers and calls of one stage take turns, so that what stands behind it is called by one at a time. */
export class Turns {
  #last: Promise<void> | undefined;

  /** Runs `work` when all that came before is done, whatever became of it. */
  take(work: () => void | Promise<void>): Promise<void> {
    const before = this.#last;
    const turn = (async () => {
      await before?.catch(() => undefined);
      await work();
    })();
    this.#last = turn;
    const leave = (): void => {
      if (this.#last === turn) this.#last = undefined;
    };
    turn.then(leave, leave);
    return turn;
  }
}
