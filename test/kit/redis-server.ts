/** A redis-server of the test's own, on a free port, that can be killed and started again on the same data. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { type CertificateFiles, makeCertificate } from './certificate.ts';
import { endChild } from './end-child.ts';
import { freePort } from './millrace-process.ts';
import { TempDirectory } from './temp-directory.ts';

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #program: string;
  readonly #durable: boolean;
  /** Set where it speaks TLS on `tlsPort` too. */
  readonly certificate: CertificateFiles | undefined;
  readonly tlsPort: number;
  readonly #directory = new TempDirectory();
  #child: ChildProcess | undefined;

  private constructor(program: string, port: number, tlsPort: number, durable: boolean) {
    this.#program = program;
    this.#durable = durable;
    this.port = port;
    this.tlsPort = tlsPort;
    if (tlsPort !== 0) this.certificate = makeCertificate(this.#directory.path);
  }

  /**
   * @param options.durable default: every write is synced, so that a kill loses nothing that was answered.
   * @param options.tls it speaks TLS as well; needs openssl.
   */
  static async start(
    program: string,
    { durable = true, tls = false }: { readonly durable?: boolean; readonly tls?: boolean } = {},
  ): Promise<RedisServer> {
    const server = new RedisServer(program, await freePort(), tls ? await freePort() : 0, durable);
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const args = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      this.#durable ? 'yes' : 'no',
      '--appendfsync',
      'always',
      '--dir',
      this.#directory.path,
      ...this.#tlsArgs(),
    ];
    this.#child = spawn(this.#program, args, { stdio: 'ignore' });
    for (let attempt = 0; !(await this.#answers()); attempt++) {
      if (attempt > 200 || this.#child.exitCode !== null) throw new Error('redis-server did not start');
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async kill9(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await endChild(child, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill9();
    this.#directory[Symbol.dispose]();
  }

  #tlsArgs(): string[] {
    if (this.certificate === undefined) return [];
    const { certificateFile, keyFile } = this.certificate;
    const files = ['--tls-cert-file', certificateFile, '--tls-key-file', keyFile];
    return ['--tls-port', String(this.tlsPort), ...files, '--tls-auth-clients', 'no'];
  }

  async #answers(): Promise<boolean> {
    const socket = net.connect(this.port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      socket.write('PING\r\n');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      return answer.toString().startsWith('+PONG');
    } catch {
      return false;
    } finally {
      socket.destroy();
    }
  }
}
