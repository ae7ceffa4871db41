/** All commands by name. The module of one is loaded when it is asked for. */
import type { Command } from 'commander';

interface CommandModule {
  register(program: Command): void;
}

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}

/** In the order of `millrace --help`. */
export const COMMANDS: readonly CommandEntry[] = [
  { name: 'serve', summary: 'run a broker', load: () => import('./serve.ts') },
  {
    name: 'demo',
    summary: 'run a broker on defaults and replay real earthquakes into it',
    load: () => import('./demo.ts'),
  },
  { name: 'topics', summary: 'create, list, describe, configure and delete topics', load: () => import('./topics.ts') },
  {
    name: 'groups',
    summary: 'list, describe, reset and delete consumer groups',
    load: () => import('./groups.ts'),
  },
  {
    name: 'transactions',
    summary: 'list, describe and abort transactions',
    load: () => import('./transactions.ts'),
  },
  { name: 'clients', summary: 'list who is connected', load: () => import('./clients.ts') },
  {
    name: 'quotas',
    summary: 'limit the bytes a second that clients write and read',
    load: () => import('./quotas.ts'),
  },
  { name: 'produce', summary: 'write records from stdin or files', load: () => import('./produce.ts') },
  { name: 'commit', summary: 'write records to several topics in one commit', load: () => import('./commit.ts') },
  { name: 'consume', summary: 'read records', load: () => import('./consume.ts') },
  { name: 'subscribe', summary: 'read all topics that match globs', load: () => import('./subscribe.ts') },
  { name: 'import', summary: 'import topics from a log directory of Kafka', load: () => import('./import.ts') },
  { name: 'lineage', summary: 'show what caused a record, and what it caused', load: () => import('./lineage.ts') },
  { name: 'push', summary: 'deliver records to HTTP endpoints', load: () => import('./push.ts') },
  { name: 'relay', summary: 'copy records from one system to another', load: () => import('./relay.ts') },
  { name: 'clock', summary: 'write a record every so often', load: () => import('./clock.ts') },
  { name: 'decode', summary: 'show, check and repair a .ss file of SeaStreamer', load: () => import('./decode.ts') },
  { name: 'sink', summary: 'write records to NDJSON, SQLite or stdout', load: () => import('./sink.ts') },
  { name: 'dump', summary: 'print what a topic of any system holds', load: () => import('./dump.ts') },
  { name: 'trim', summary: 'delete the oldest records of a Redis stream or a topic', load: () => import('./trim.ts') },
  { name: 'bench', summary: 'measure a broker under load', load: () => import('./bench.ts') },
  { name: 'backup', summary: 'back up everything a running broker has', load: () => import('./backup.ts') },
  { name: 'restore', summary: 'restore a backup: all of it, or one topic', load: () => import('./restore.ts') },
  { name: 'keys', summary: 'keys of encryption at rest', load: () => import('./keys.ts') },
  { name: 'verify', summary: 'check every byte of a data directory', load: () => import('./verify.ts') },
  { name: 'chunk', summary: 'look into chunk files', load: () => import('./chunk.ts') },
  { name: 'journal', summary: 'look into journal files and check them', load: () => import('./journal.ts') },
];
