/** The SDK's entry point for browsers as bundlers make it: one minified file. */
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

export interface BrowserBundle {
  readonly code: string;
  /** Modules that the bundle would load from elsewhere. */
  readonly imports: readonly string[];
}

const ENTRY = fileURLToPath(new URL('../../src/client/browser.ts', import.meta.url));

/** @throws Error where a module needs what browsers do not have. */
export async function bundleForBrowsers(): Promise<BrowserBundle> {
  const warnings: string[] = [];
  const bundle = await rolldown({
    input: ENTRY,
    platform: 'browser',
    onLog: (_, { message }) => warnings.push(message),
  });
  const { output } = await bundle.generate({ format: 'esm', minify: true });
  await bundle.close();
  const [{ code, imports, dynamicImports }, ...others] = output;
  if (warnings.length > 0 || others.length > 0) throw new Error(['not one clean file', ...warnings].join('\n'));
  return { code, imports: [...imports, ...dynamicImports] };
}
