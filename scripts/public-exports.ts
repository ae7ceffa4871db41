/**
 * What the published entry points export, read off the sources: name, signature, docstring. The reference (scripts/api-pages.ts) is
 * made of it, and a test holds that nothing public is without a docstring.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseSync } from 'rolldown/utils';

/** Entry point as programs import it, and its source. The codec of the Kafka protocol (`millrace/wire`) describes itself in its tables. */
export const ENTRY_POINTS: Readonly<Record<string, string>> = {
  millrace: 'src/sdk/index.ts',
  'millrace/msgpack': 'src/client/msgpack/index.ts',
  'millrace/encryption': 'src/client/encryption/index.ts',
  'millrace/process': 'src/process/index.ts',
  'millrace/aggregate': 'src/aggregate/index.ts',
  'millrace/broker': 'src/server/index.ts',
  'millrace/log': 'src/log/index.ts',
};

export interface PublicMember {
  readonly name: string;
  readonly signature: string;
  readonly doc: string;
}

export interface PublicExport {
  readonly name: string;
  readonly kind: 'function' | 'class' | 'type' | 'value';
  /** Nothing of it is there at run time: of a class only its type may be exported. */
  readonly isTypeOnly: boolean;
  /** Relative to the root. */
  readonly file: string;
  /** One for each overload. */
  readonly signatures: readonly string[];
  /** Without its stars; empty where there is none. */
  readonly doc: string;
  /** Of classes and interfaces, those that are public. */
  readonly members: readonly PublicMember[];
}

/** What is used of the syntax tree. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly id?: Node & { readonly name: string };
  readonly name?: string;
  readonly value?: unknown;
  readonly kind?: string;
  readonly key?: Node;
  readonly body?: Node & { readonly body: readonly Node[] };
  readonly declaration?: Node | null;
  readonly declarations?: readonly Node[];
  readonly init?: Node | null;
  readonly source?: { readonly value: string } | null;
  readonly specifiers?: readonly { readonly local: Node; readonly exported: Node; readonly exportKind?: string }[];
  readonly exportKind?: string;
  readonly accessibility?: string | null;
}

interface Module {
  readonly file: string;
  readonly text: string;
  readonly body: readonly Node[];
  /** By where they end. */
  readonly comments: readonly { readonly value: string; readonly start: number; readonly end: number }[];
}

/** Of one entry point, in the order of its source; re-exports resolved. @param root of the repository. */
export function publicExports(root: string, entry: string): PublicExport[] {
  const reader = new ExportReader(root);
  // Overloads are found once for each of their declarations.
  return [...new Map(reader.exportsOf(entry).map((item) => [item.name, item])).values()];
}

class ExportReader {
  readonly #root: string;
  readonly #modules = new Map<string, Module>();

  constructor(root: string) {
    this.#root = root;
  }

  exportsOf(file: string): PublicExport[] {
    const module = this.#module(file);
    return module.body.flatMap((node) => {
      if (node.type === 'ExportAllDeclaration') return this.exportsOf(this.#target(file, node));
      if (node.type !== 'ExportNamedDeclaration') return [];
      if (node.declaration) return this.#declared(module, namesOf(node.declaration));
      const target = node.source ? this.#target(file, node) : file;
      return (node.specifiers ?? []).flatMap(({ local, exported, exportKind }) => {
        const isTypeOnly = exportKind === 'type' || node.exportKind === 'type';
        const found = this.#find(target, textOfName(local));
        return found.map((item) => ({
          ...item,
          name: textOfName(exported),
          isTypeOnly: isTypeOnly || item.isTypeOnly,
        }));
      });
    });
  }

  /** The export of that name, wherever it is declared. */
  #find(file: string, name: string): PublicExport[] {
    const module = this.#module(file);
    const declared = this.#declared(module, [name]);
    if (declared.length > 0) return declared;
    const imported = module.body.find(
      (node) => node.type === 'ImportDeclaration' && node.specifiers?.some(({ local }) => local.name === name),
    );
    if (imported !== undefined) return this.#find(this.#target(file, imported), name);
    const found = this.exportsOf(file).filter((candidate) => candidate.name === name);
    if (found.length > 0) return found;
    throw new Error(`${file} does not export ${name}`);
  }

  /** Overloads become one. */
  #declared(module: Module, names: readonly string[]): PublicExport[] {
    return names.flatMap((name) => {
      const nodes = module.body.filter(
        (node) =>
          node.type === 'ExportNamedDeclaration' && node.declaration && namesOf(node.declaration).includes(name),
      );
      const [first] = nodes;
      if (first === undefined) return [];
      const declarations = nodes.map((node) => node.declaration as Node);
      // The implementation of overloads is not what programs see.
      const seen = declarations.filter(({ type }) => type === 'TSDeclareFunction');
      const shown = seen.length > 0 ? seen : declarations;
      return [
        {
          name,
          kind: kindOf(shown[0] as Node),
          isTypeOnly: kindOf(shown[0] as Node) === 'type',
          file: module.file,
          signatures: shown.map((node) => signatureOf(module, node)),
          doc: docBefore(module, first.start),
          members: membersOf(module, shown[0] as Node),
        },
      ];
    });
  }

  #target(from: string, { source }: Node): string {
    return path.posix.join(path.posix.dirname(from), source?.value ?? '');
  }

  #module(file: string): Module {
    let module = this.#modules.get(file);
    if (module === undefined) {
      const text = readFileSync(path.join(this.#root, file), 'utf8');
      const { program, comments, errors } = parseSync(file, text);
      if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
      module = { file, text, body: program.body as unknown as readonly Node[], comments };
      this.#modules.set(file, module);
    }
    return module;
  }
}

function namesOf(declaration: Node): string[] {
  if (declaration.declarations !== undefined) return declaration.declarations.map(({ id }) => id?.name ?? '');
  return declaration.id === undefined ? [] : [declaration.id.name];
}

/** `export { a as b }`, and names in quotes. */
function textOfName(node: Node): string {
  return node.name ?? String(node.value);
}

function kindOf({ type }: Node): PublicExport['kind'] {
  if (type === 'ClassDeclaration') return 'class';
  if (type === 'FunctionDeclaration' || type === 'TSDeclareFunction') return 'function';
  return type === 'VariableDeclaration' ? 'value' : 'type';
}

function signatureOf({ text }: Module, node: Node): string {
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'ClassDeclaration':
      return text.slice(node.start, node.body?.start ?? node.end).trim();
    case 'TSInterfaceDeclaration':
      return text.slice(node.start, node.body?.start ?? node.end).trim();
    case 'VariableDeclaration': {
      const { init } = node.declarations?.[0] ?? {};
      // The value itself says more than its lack of a type, where it is short.
      const whole = text.slice(node.start, node.end);
      return init && whole.length > 200 ? text.slice(node.start, init.start).replace(/\s*=\s*$/, '') : whole;
    }
    default:
      return text.slice(node.start, node.end);
  }
}

function membersOf(module: Module, node: Node): PublicMember[] {
  if (node.type !== 'ClassDeclaration' && node.type !== 'TSInterfaceDeclaration') return [];
  return (node.body?.body ?? []).flatMap((member) => {
    const { key } = member;
    const doc = docBefore(module, member.start);
    const isHidden =
      key?.type === 'PrivateIdentifier' || member.accessibility === 'private' || doc.includes('@internal');
    if (isHidden || doc === 'For the compiler alone.') return [];
    const value = member.value as Node | null | undefined;
    const bodyStart = member.type === 'MethodDefinition' ? value?.body?.start : undefined;
    const initStart = member.type === 'PropertyDefinition' ? value?.start : undefined;
    const end = bodyStart ?? initStart ?? member.end;
    const signature = module.text
      .slice(member.start, end)
      .replace(/\s*(?:=\s*|;)$/, '')
      .trim();
    const name = key === undefined ? signature : module.text.slice(key.start, key.end);
    return [{ name, signature: signature.replace(/;$/, ''), doc }];
  });
}

/** The docstring right before a place, without its stars. */
function docBefore({ text, comments }: Module, start: number): string {
  const comment = comments.findLast(({ end }) => end <= start);
  if (comment === undefined || !comment.value.startsWith('*') || text.slice(comment.end, start).trim() !== '')
    return '';
  return comment.value
    .slice(1)
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim();
}
