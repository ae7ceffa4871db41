/** Certificates for servers of tests that speak TLS: made when they are needed, so that none lies about or runs out. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { requiredTool } from './tools.ts';

export interface CertificateFiles {
  /** PEM, as `keyFile`. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

/** Self-signed, for 127.0.0.1, written into the directory. @throws Error where openssl is missing. */
export function makeCertificate(directory: string): CertificateFiles {
  const [certificateFile, keyFile] = [path.join(directory, 'cert.pem'), path.join(directory, 'key.pem')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject];
  execFileSync(requiredTool('openssl'), [...args, '-keyout', keyFile, '-out', certificateFile], { stdio: 'ignore' });
  return { certificateFile, keyFile };
}
