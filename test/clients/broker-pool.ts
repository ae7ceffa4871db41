/** Brokers for tests that run side by side and must not see each other's topics and groups. */
import { MillraceProcess, type MillraceProcessOptions } from '../kit/millrace-process.ts';

export class BrokerPool implements AsyncDisposable {
  readonly all: readonly MillraceProcess[];
  readonly #free: MillraceProcess[];

  private constructor(brokers: readonly MillraceProcess[]) {
    this.all = brokers;
    this.#free = [...brokers];
  }

  static async start(count: number, options: MillraceProcessOptions = {}): Promise<BrokerPool> {
    return new BrokerPool(await Promise.all(Array.from({ length: count }, () => MillraceProcess.start(options))));
  }

  /** For as many at once as there are brokers. @throws Error where all are lent. */
  async lend<T>(use: (broker: MillraceProcess) => Promise<T>): Promise<T> {
    const broker = this.#free.pop();
    if (broker === undefined) throw new Error('more tests at once than brokers');
    try {
      return await use(broker);
    } finally {
      this.#free.push(broker);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((broker) => broker[Symbol.asyncDispose]()));
  }
}
