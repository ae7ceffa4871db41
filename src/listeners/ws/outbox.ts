/**
 * Sends messages, and knows how many of them the socket has not taken. A peer that sends and never reads is not read
 * from while too much waits for it; a subscriber whose socket takes nothing for long is let go.
 */
import type { WebSocket } from 'ws';
import type { Clock } from '../../base/clock.ts';
import { CLOSE } from './close-codes.ts';
import type { WebSocketSettings } from './settings.ts';

/** After a close frame that nobody takes. */
const TERMINATE_AFTER_MS = 1_000;

export class Outbox {
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #settings: WebSocketSettings;
  #unsentBytes = 0;
  #congested = false;
  /** Told when the socket is congested, and when it is not any more. */
  onCongestion: ((congested: boolean) => void) | undefined;
  /** Told when the socket took nothing for so long that it is let go. */
  onStalled: (() => void) | undefined;

  constructor(socket: WebSocket, clock: Clock, settings: WebSocketSettings) {
    this.#socket = socket;
    this.#clock = clock;
    this.#settings = settings;
  }

  send(message: string | Uint8Array): void {
    this.#write(message, undefined);
  }

  /** Resolves when the socket took the message; false when it is gone, or was let go for taking nothing. */
  sent(message: string): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(this.#settings.stallTimeoutMs, () => {
        this.onStalled?.();
        this.close(CLOSE.tooSlow, 'The subscriber takes nothing. Go on from its last cursor.');
        resolve(false);
      });
      this.#write(message, (error) => {
        timer.cancel();
        resolve(error === undefined || error === null);
      });
    });
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
    this.#clock.schedule(TERMINATE_AFTER_MS, () => this.#socket.terminate());
  }

  #write(message: string | Uint8Array, done: ((error?: Error | null) => void) | undefined): void {
    const { length } = message;
    this.#unsentBytes += length;
    this.#judge();
    this.#socket.send(message, { compress: false }, (error) => {
      this.#unsentBytes -= length;
      this.#judge();
      done?.(error ?? undefined);
    });
  }

  #judge(): void {
    const { maxUnsentBytes } = this.#settings;
    const congested = this.#congested ? this.#unsentBytes > maxUnsentBytes / 2 : this.#unsentBytes > maxUnsentBytes;
    if (congested === this.#congested) return;
    this.#congested = congested;
    this.onCongestion?.(congested);
  }
}
