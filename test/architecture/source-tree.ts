/** Reads the sources for the architecture tests: which file imports which, and what their code (not comments) says. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** Relative to the root, `/` between levels: `src/base/bytes.ts`. */
  readonly name: string;
  readonly isTest: boolean;
  /** Code with comments blanked out and line breaks kept. */
  readonly code: string;
  /** Names of the files of this repository that it imports, statically, lazily or as a worker. */
  readonly imports: readonly string[];
}

/** All TypeScript files below a directory, sorted by name. */
export function readSources(directory: string): SourceFile[] {
  return readdirSync(path.join(ROOT, directory), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'))
    .sort()
    .map(readSource);
}

function readSource(name: string): SourceFile {
  const code = withoutComments(readFileSync(path.join(ROOT, name), 'utf8'));
  return { name, isTest: isTestFile(name), code, imports: findImports(name, code) };
}

function isTestFile(name: string): boolean {
  return /\.(test|slice)\.ts$/.test(name) || name.startsWith('test/') || name.includes('/fixtures/');
}

/** Strings are matched first, so that `'https://…'` is not taken for a comment; comments leave their line breaks. */
export function withoutComments(text: string): string {
  const token = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\[\s\S])*`|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g;
  return text.replace(token, (match) => (match.startsWith('/') ? match.replaceAll(/[^\n]/g, '') : match));
}

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)(['"])(\.[^'"\n]*\.ts)\1/g;
/** Workers, whose module is named without its ending (base/worker-module.ts). */
const WORKER = /\bworkerModule\(\s*import\.meta\.url,\s*(['"])(\.[^'"\n]*)\1/g;

/** `import … from`, `export … from`, `import '…'`, `import('…')`, and modules of workers. */
export function findImports(name: string, code: string): string[] {
  const imported = [...code.matchAll(IMPORT)].map((match) => match[2] ?? '');
  const workers = [...code.matchAll(WORKER)].map((match) => `${match[2]}.ts`);
  const directory = path.posix.dirname(name);
  return [...new Set([...imported, ...workers].map((target) => path.posix.join(directory, target)))];
}

/** `file:line` of each match in the code of a file. */
export function findInCode(file: SourceFile, pattern: RegExp): string[] {
  return [...file.code.matchAll(pattern)].map((match) => {
    const line = file.code.slice(0, match.index).split('\n').length;
    return `${file.name}:${line} ${match[0]}`;
  });
}
