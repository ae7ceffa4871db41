/**
 * A headless Chromium of the test's own (Debian package chromium), driven over the DevTools protocol: pages are opened and
 * told to run JavaScript, nothing more.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { endChild } from './end-child.ts';
import { TempDirectory } from './temp-directory.ts';

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly sessionId?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

interface Waiting {
  readonly resolve: (result: Record<string, unknown>) => void;
  readonly reject: (error: Error) => void;
}

interface Evaluated {
  readonly result: { readonly value?: unknown };
  readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } };
}

const START_MS = 60_000;

export class Chromium implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #directory: TempDirectory;
  readonly #waiting = new Map<number, Waiting>();
  /** What pages logged and threw, for the message of a failed test. */
  readonly complaints: string[] = [];
  #socket: WebSocket | undefined;
  #nextId = 1;

  private constructor(program: string) {
    this.#directory = new TempDirectory();
    this.#child = spawn(
      program,
      [
        '--headless',
        // Tests run as root in containers, where the sandbox cannot start; the pages are the test's own.
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--no-first-run',
        '--disable-background-networking',
        '--remote-debugging-port=0',
        `--user-data-dir=${this.#directory.path}`,
        'about:blank',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: this.#directory.path } },
    );
  }

  static async start(program: string): Promise<Chromium> {
    const browser = new Chromium(program);
    try {
      await browser.#connect(await browser.#address());
      return browser;
    } catch (error) {
      await browser[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Opens a page; resolves when the address is on its way, not when the page is loaded. */
  async open(url: string): Promise<Page> {
    const { targetId } = await this.call('Target.createTarget', { url });
    const { sessionId } = await this.call('Target.attachToTarget', { targetId, flatten: true });
    await this.call('Runtime.enable', {}, sessionId as string);
    return new Page(this, sessionId as string);
  }

  /** @internal One command of the DevTools protocol. */
  async call(method: string, params: object, sessionId?: string): Promise<Record<string, unknown>> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(id, { resolve, reject });
    this.#socket?.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    return await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.terminate();
    await endChild(this.#child, 'SIGKILL');
    // Processes of the browser that outlive their parent for a moment may still write.
    for (let attempt = 0; attempt < 20; attempt++) {
      try {
        this.#directory[Symbol.dispose]();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async #address(): Promise<string> {
    let text = '';
    const late = AbortSignal.timeout(START_MS);
    for await (const [chunk] of onData(this.#child, late)) {
      text += chunk;
      const address = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
      if (address !== undefined) break;
    }
    const address = /DevTools listening on (ws:\S+)/.exec(text)?.[1];
    if (address === undefined) throw new Error(`chromium did not start:\n${text}`);
    // Goes on reading, or the browser would stop at a full pipe.
    this.#child.stderr?.resume();
    return address;
  }

  async #connect(address: string): Promise<void> {
    const socket = new WebSocket(address, { perMessageDeflate: false });
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.#received(JSON.parse(data.toString('utf8')) as Answer));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('chromium has ended'));
      this.#waiting.clear();
    });
    await once(socket, 'open');
  }

  #received({ id, method, params, result, error }: Answer): void {
    if (method === 'Runtime.exceptionThrown' || method === 'Runtime.consoleAPICalled')
      this.complaints.push(JSON.stringify(params).slice(0, 2000));
    const waiting = this.#waiting.get(id ?? -1);
    if (waiting === undefined) return;
    this.#waiting.delete(id ?? -1);
    if (error === undefined) waiting.resolve(result ?? {});
    else waiting.reject(new Error(error.message));
  }
}

/** A page; what it evaluates comes back as JSON would have it. */
export class Page {
  readonly #browser: Chromium;
  readonly #sessionId: string;

  constructor(browser: Chromium, sessionId: string) {
    this.#browser = browser;
    this.#sessionId = sessionId;
  }

  /** @param expression JavaScript; a promise is awaited. @throws Error with what the page threw. */
  async evaluate<T>(expression: string): Promise<T> {
    const params = { expression, awaitPromise: true, returnByValue: true };
    const answer = await this.#browser.call('Runtime.evaluate', params, this.#sessionId);
    const { result, exceptionDetails } = answer as unknown as Evaluated;
    if (exceptionDetails !== undefined)
      throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value as T;
  }

  /** Asks until the expression is true. @throws Error after `timeoutMs`, with what the browser complained of. */
  async until(expression: string, timeoutMs = 30_000): Promise<void> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      // While a page loads, its old world goes and takes the answer along.
      const value = await this.evaluate<boolean>(`Boolean(${expression})`).catch(() => false);
      if (value) return;
      if (Date.now() > end)
        throw new Error(`the page did not come to ${expression}\n${this.#browser.complaints.join('\n')}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async reload(): Promise<void> {
    await this.#browser.call('Page.reload', {}, this.#sessionId);
  }
}

/** Chunks of the browser's stderr, until it ends. */
async function* onData(child: ChildProcess, signal: AbortSignal): AsyncGenerator<[string]> {
  const { stderr } = child;
  if (stderr === null) return;
  stderr.setEncoding('utf8');
  for (;;) {
    const next = await Promise.race([once(stderr, 'data', { signal }), once(child, 'exit', { signal })]);
    if (typeof next[0] !== 'string') return;
    yield next as [string];
  }
}
