/** Programs of packages in node_modules, started without npx, which costs half a second and may ask the network. */
import { createRequire } from 'node:module';
import path from 'node:path';

/** @returns path of the JavaScript file behind a package's program. */
export function programOf(root: string, packageName: string, program: string): string {
  const manifestFile = path.join(root, 'node_modules', packageName, 'package.json');
  const manifest = createRequire(import.meta.url)(manifestFile) as { bin: string | Record<string, string> };
  const relative = typeof manifest.bin === 'string' ? manifest.bin : manifest.bin[program];
  if (relative === undefined) throw new Error(`package ${packageName} has no program ${program}`);
  return path.join(path.dirname(manifestFile), relative);
}
