/** Reads with node-rdkafka by asking again and again: its flowing mode hangs or crashes when it is closed (docs/clients.md). */

export interface AskedConsumer<Message> {
  consume(count: number, done: (error?: Error | null, messages?: readonly Message[]) => void): void;
}

const READ_COUNT = 500;

/** An error, as in a rebalance, is an answer without messages. */
export function readUntilStopped<Message>(
  consumer: AskedConsumer<Message>,
  take: (message: Message) => void,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const messages = await new Promise<readonly Message[]>((resolve) => {
        consumer.consume(READ_COUNT, (_error, read) => resolve(read ?? []));
      });
      for (const message of messages) take(message);
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
