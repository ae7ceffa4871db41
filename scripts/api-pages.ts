/** The reference of the public entry points as pages in Markdown, made of the docstrings in the sources. */
import { ENTRY_POINTS, type PublicExport, publicExports } from './public-exports.ts';

const KINDS = [
  ['function', 'Functions'],
  ['class', 'Classes'],
  ['value', 'Values'],
  ['type', 'Types'],
] as const;

/** Names of files to pages in Markdown. */
export function apiPages(root: string): Map<string, string> {
  const pages = new Map<string, string>();
  const index = ['# Reference', '', 'Made from the docstrings by `npm run docs`.', ''];
  for (const [entry, file] of Object.entries(ENTRY_POINTS)) {
    const exports = publicExports(root, file);
    const name = `${entry.replace('/', '-')}.md`;
    pages.set(name, page(entry, exports));
    index.push(`- [\`${entry}\`](${name}): ${exports.map((item) => `\`${item.name}\``).join(', ')}`);
  }
  return pages.set('README.md', `${index.join('\n')}\n`);
}

function page(entry: string, exports: readonly PublicExport[]): string {
  const lines = [`# ${entry}`, ''];
  for (const [kind, title] of KINDS) {
    const items = exports.filter((item) => item.kind === kind).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    if (items.length === 0) continue;
    lines.push(`## ${title}`, '', ...items.flatMap(section));
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

function section({ name, signatures, doc, members, file }: PublicExport): string[] {
  const lines = [`### ${name}`, '', '```ts', ...signatures, '```', ''];
  if (doc !== '') lines.push(prose(doc), '');
  for (const member of members) {
    lines.push(`- \`${oneLine(member.signature)}\``);
    if (member.doc !== '') lines.push('', indent(prose(member.doc)), '');
  }
  if (members.length > 0) lines.push('');
  lines.push(`Source: \`${file}\``, '');
  return lines;
}

/** Tags become words; code blocks stay. */
function prose(doc: string): string {
  return doc
    .replaceAll(/^\s*@(param|typeParam) (\S+)/gm, '\n**$2**:')
    .replaceAll(/@returns\b/g, '\n**Returns** ')
    .replaceAll(/@throws\b/g, '\n**Throws** ')
    .replaceAll(/\*\* {2,}/g, '** ')
    .trim();
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('( ', '(').replaceAll(', )', ')');
}

function indent(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}
