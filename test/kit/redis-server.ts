/** A redis-server of the test's own, on a free port, that can be killed and started again on the same data. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { endChild } from './end-child.ts';
import { freePort } from './millrace-process.ts';
import { TempDirectory } from './temp-directory.ts';

export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly #program: string;
  readonly #durable: boolean;
  /** Set where it speaks TLS on `tlsPort` too: a self-signed certificate for 127.0.0.1, in PEM. */
  readonly certificateFile: string | undefined;
  readonly tlsPort: number;
  readonly #directory = new TempDirectory();
  #child: ChildProcess | undefined;

  private constructor(program: string, port: number, tlsPort: number, durable: boolean) {
    this.#program = program;
    this.#durable = durable;
    this.port = port;
    this.tlsPort = tlsPort;
    if (tlsPort !== 0) this.certificateFile = this.#makeCertificate();
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

  #makeCertificate(): string {
    const [certificate, key] = [
      path.join(this.#directory.path, 'cert.pem'),
      path.join(this.#directory.path, 'key.pem'),
    ];
    const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject];
    execFileSync('openssl', [...args, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    return certificate;
  }

  #tlsArgs(): string[] {
    const certificate = this.certificateFile;
    if (certificate === undefined) return [];
    const files = ['--tls-cert-file', certificate, '--tls-key-file', path.join(path.dirname(certificate), 'key.pem')];
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
