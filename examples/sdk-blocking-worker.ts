// Runs on worker threads: see sdk-blocking.ts.
import { pbkdf2Sync } from 'node:crypto';

export default function hash(text: string): { digest: string; length: number } {
  const digest = pbkdf2Sync(text, 'salt', 500, 16, 'sha256').toString('hex');
  return { digest, length: text.length };
}
