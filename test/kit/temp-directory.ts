/** A directory of the test's own, removed when it is disposed. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class TempDirectory implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), 'millrace-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
