/**
 * A disk in memory that remembers how it came to be. Everything done to it is one list of operations, so that one run
 * yields the disk as a crash after any prefix of that list could leave it:
 *
 * - a write is durable when it ended before a sync of its file began, and that sync ended within the prefix;
 * - every other write is lost, kept, cut short, or torn into granules of 8 or 512 bytes, each old or new, whatever
 *   became of the writes before it; truncations likewise are kept or lost;
 * - creations, renames and removals are durable after a sync of their directory, and kept or lost before.
 *
 * A failed sync drops what it should have made durable, as Linux does: no later sync covers it, while reads still see it.
 * Who has a file open that is removed cannot read it any more, as `Disk.remove` says.
 * `kill` ends the process without a power loss: what was written stays readable and is no more durable than before.
 *
 * That is more than real disks do to us: a test that passes here holds on ext4, xfs and the like. It cannot show what a
 * disk does that lies about a sync.
 */
import { MillraceError } from '../../src/base/errors.ts';
import type { Disk, DiskFile, DiskLock, DiskSpace } from '../../src/journal/disk.ts';
import type { SeededRandom } from './seeded-random.ts';

type Operation =
  | {
      readonly kind: 'write';
      readonly inode: number;
      readonly position: number;
      readonly bytes: Uint8Array;
      end: number;
    }
  | { readonly kind: 'truncate'; readonly inode: number; readonly sizeBytes: number; end: number }
  | { readonly kind: 'link'; readonly directory: string; readonly path: string; readonly inode: number | undefined }
  | { readonly kind: 'sync'; readonly inode: number; readonly begin: number }
  | { readonly kind: 'syncDirectory'; readonly directory: string; readonly begin: number }
  /** A point in time that only marks the end of a write: a crash falls before or after it. */
  | { readonly kind: 'end' };

export type FaultPoint = 'open' | 'read' | 'write' | 'sync' | 'truncate' | 'syncDirectory';

export interface Fault {
  /** System error code: ENOSPC, EIO... */
  readonly code: string;
  /** Of a write: bytes that get through before it fails. */
  readonly partialBytes?: number;
}

/** Asked before each operation; `count` numbers the operations of that kind from 0. */
export type FaultPlan = (point: FaultPoint, path: string, count: number) => Fault | undefined;

export interface FakeDiskOptions {
  /** Event-loop turns that an asynchronous operation takes. Default 1. */
  readonly turns?: (point: FaultPoint) => number;
  readonly faults?: FaultPlan;
}

/** A file without its name. */
class Inode {
  bytes = new Uint8Array(0);
  /** It has no name any more. */
  isRemoved = false;

  write(position: number, bytes: Uint8Array): void {
    this.resize(Math.max(this.bytes.length, position + bytes.length));
    this.bytes.set(bytes, position);
  }

  resize(sizeBytes: number): void {
    if (sizeBytes === this.bytes.length) return;
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.bytes.subarray(0, sizeBytes));
    this.bytes = bytes;
  }
}

/** What outlives the process. */
class Platter {
  readonly paths = new Map<string, number>();
  readonly inodes: Inode[] = [];
  readonly operations: Operation[] = [];
}

export class FakeDisk implements Disk {
  readonly #platter: Platter;
  readonly #paths: Map<string, number>;
  readonly #inodes: Inode[];
  readonly #operations: Operation[];
  readonly #turns: (point: FaultPoint) => number;
  readonly #locked = new Set<string>();
  readonly #counts = new Map<FaultPoint, number>();
  readonly #initial: ReadonlyMap<string, Uint8Array>;
  /** May be set while the disk is in use. */
  faults: FaultPlan | undefined;
  openHandles = 0;
  /** What `space` says; -1: not known. */
  usableBytes = -1;
  #killed = false;

  /** @param files durable content to begin with, by path. */
  constructor(
    options: FakeDiskOptions = {},
    files: ReadonlyMap<string, Uint8Array> = new Map(),
    platter: Platter = new Platter(),
  ) {
    this.#platter = platter;
    this.#paths = platter.paths;
    this.#inodes = platter.inodes;
    this.#operations = platter.operations;
    this.#turns = options.turns ?? (() => 1);
    this.faults = options.faults;
    this.#initial = files;
    if (platter.inodes.length > 0) return;
    for (const [path, bytes] of files) {
      const inode = new Inode();
      inode.write(0, bytes);
      this.#paths.set(path, this.#inodes.push(inode) - 1);
    }
  }

  /** Number of operations so far; `crash` takes any number up to it. */
  get operationCount(): number {
    return this.#operations.length;
  }

  /** What is in the files now, as a running process sees it. */
  content(): Map<string, Uint8Array> {
    return new Map([...this.#paths].map(([path, inode]) => [path, (this.#inodes[inode] as Inode).bytes.slice()]));
  }

  /**
   * Ends the process that uses this disk: its calls do nothing from now on and never return.
   * @returns the disk as the next process finds it, with the same history.
   */
  kill(options: FakeDiskOptions = {}): FakeDisk {
    this.#killed = true;
    return new FakeDisk(options, this.#initial, this.#platter);
  }

  /** Files as a power loss after the first `prefix` operations may leave them; `random` decides about what was not synced. */
  crash(prefix: number, random: SeededRandom): Map<string, Uint8Array> {
    const inodes = new Map<number, Inode>();
    const paths = new Map<string, number>();
    let next = 0;
    for (const [path, bytes] of this.#initial) {
      const inode = new Inode();
      inode.write(0, bytes);
      inodes.set(next, inode);
      paths.set(path, next++);
    }
    const durableFiles = new Map<number, number>();
    const durableDirectories = new Map<string, number>();
    for (const operation of this.#operations.slice(0, prefix)) {
      // Of two at a time, the one that began first may end last.
      if (operation.kind === 'sync') raise(durableFiles, operation.inode, operation.begin);
      else if (operation.kind === 'syncDirectory') raise(durableDirectories, operation.directory, operation.begin);
    }
    for (const [index, operation] of this.#operations.slice(0, prefix).entries()) {
      if (operation.kind === 'write' || operation.kind === 'truncate') {
        let inode = inodes.get(operation.inode);
        if (inode === undefined) inodes.set(operation.inode, (inode = new Inode()));
        const durable = operation.end < (durableFiles.get(operation.inode) ?? -1);
        if (operation.kind === 'write') applyWrite(inode, operation, durable, random);
        else if (durable || random.chance(0.5)) inode.resize(operation.sizeBytes);
      } else if (operation.kind === 'link') {
        if (index >= (durableDirectories.get(operation.directory) ?? -1) && random.chance(0.5)) continue;
        if (operation.inode === undefined) paths.delete(operation.path);
        else paths.set(operation.path, operation.inode);
      }
    }
    return new Map([...paths].map(([path, inode]) => [path, inodes.get(inode)?.bytes ?? new Uint8Array(0)]));
  }

  async open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile> {
    await this.enter('open', path);
    let inode = this.#paths.get(path);
    if (mode === 'create') {
      if (inode !== undefined) throw systemError('EEXIST', path);
      inode = this.#inodes.push(new Inode()) - 1;
      this.#link(path, inode);
    }
    if (inode === undefined) throw systemError('ENOENT', path);
    this.openHandles += 1;
    return new FakeDiskFile(this, path, inode);
  }

  async list(directory: string): Promise<string[]> {
    await this.stopIfKilled();
    const names: string[] = [];
    for (const path of this.#paths.keys()) {
      if (directoryOf(path) === directory) names.push(path.slice(directory.length + 1));
    }
    return names;
  }

  async makeDirectory(): Promise<void> {
    // Directories exist, durably, as soon as they are named.
  }

  async rename(from: string, to: string): Promise<void> {
    await this.stopIfKilled();
    const inode = this.#paths.get(from);
    if (inode === undefined) throw systemError('ENOENT', from);
    this.#link(to, inode);
    this.#link(from, undefined);
  }

  async remove(path: string): Promise<void> {
    await this.stopIfKilled();
    const inode = this.#paths.get(path);
    if (inode === undefined) return;
    this.#link(path, undefined);
    this.inode(inode).isRemoved = true;
  }

  async syncDirectory(path: string): Promise<void> {
    const begin = this.#operations.length;
    await this.enter('syncDirectory', path);
    this.#operations.push({ kind: 'syncDirectory', directory: path, begin });
  }

  async space(): Promise<DiskSpace> {
    return { totalBytes: this.usableBytes, usableBytes: this.usableBytes };
  }

  async lockDirectory(path: string): Promise<DiskLock> {
    if (this.#locked.has(path)) throw new MillraceError('JOURNAL_LOCKED', `${path} is locked by this test.`);
    this.#locked.add(path);
    return {
      release: async () => {
        this.#locked.delete(path);
      },
    };
  }

  // For FakeDiskFile.

  inode(number: number): Inode {
    return this.#inodes[number] as Inode;
  }

  log(operation: Operation): number {
    return this.#operations.push(operation) - 1;
  }

  fault(point: FaultPoint, path: string): Fault | undefined {
    const count = this.#counts.get(point) ?? 0;
    this.#counts.set(point, count + 1);
    return this.faults?.(point, path, count);
  }

  async wait(point: FaultPoint): Promise<void> {
    for (let turns = this.#turns(point); turns > 0; turns--)
      await new Promise<void>((resolve) => setImmediate(resolve));
    await this.stopIfKilled();
  }

  async stopIfKilled(): Promise<void> {
    if (this.#killed) await new Promise<never>(() => {});
  }

  get killed(): boolean {
    return this.#killed;
  }

  /** A sync of this file has failed: what is not durable yet never will be. */
  drop(inode: number): void {
    const durable = this.#operations.findLast((operation) => operation.kind === 'sync' && operation.inode === inode);
    const begin = durable?.kind === 'sync' ? durable.begin : -1;
    for (const operation of this.#operations) {
      if (operation.kind !== 'write' || operation.inode !== inode) continue;
      if (operation.end >= begin) operation.end = Number.POSITIVE_INFINITY;
    }
  }

  async enter(point: FaultPoint, path: string): Promise<void> {
    const fault = this.fault(point, path);
    await this.wait(point);
    if (fault !== undefined) throw systemError(fault.code, path);
  }

  #link(path: string, inode: number | undefined): void {
    this.#operations.push({ kind: 'link', directory: directoryOf(path), path, inode });
    if (inode === undefined) this.#paths.delete(path);
    else this.#paths.set(path, inode);
  }
}

class FakeDiskFile implements DiskFile {
  readonly #disk: FakeDisk;
  readonly #path: string;
  readonly #inode: number;
  #open = true;

  constructor(disk: FakeDisk, path: string, inode: number) {
    this.#disk = disk;
    this.#path = path;
    this.#inode = inode;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    await this.#disk.enter('read', this.#path);
    return this.#copy(into, position);
  }

  /** A process that was killed gets zeros: what it does with them nobody sees. */
  readNow(into: Uint8Array, position: number): number {
    if (this.#disk.killed) return into.fill(0).length;
    const fault = this.#disk.fault('read', this.#path);
    if (fault !== undefined) throw systemError(fault.code, this.#path);
    return this.#copy(into, position);
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    await this.#disk.stopIfKilled();
    const fault = this.#disk.fault('write', this.#path);
    const operation = this.#begin(pieces, position, fault);
    await this.#disk.wait('write');
    if (fault !== undefined) throw systemError(fault.code, this.#path);
    operation.end = this.#disk.log({ kind: 'end' });
  }

  writeSync(pieces: readonly Uint8Array[], position: number): void {
    if (this.#disk.killed) return;
    const fault = this.#disk.fault('write', this.#path);
    const operation = this.#begin(pieces, position, fault);
    if (fault !== undefined) throw systemError(fault.code, this.#path);
    operation.end = this.#disk.log({ kind: 'end' });
  }

  async sync(): Promise<void> {
    const begin = this.#disk.operationCount;
    const fault = this.#disk.fault('sync', this.#path);
    await this.#disk.wait('sync');
    this.#synced(begin, fault);
  }

  syncNow(): void {
    if (this.#disk.killed) return;
    const begin = this.#disk.operationCount;
    this.#synced(begin, this.#disk.fault('sync', this.#path));
  }

  async truncate(sizeBytes: number): Promise<void> {
    const operation: Operation = { kind: 'truncate', inode: this.#inode, sizeBytes, end: Number.POSITIVE_INFINITY };
    await this.#disk.enter('truncate', this.#path);
    operation.end = this.#disk.log(operation);
    this.#disk.inode(this.#inode).resize(sizeBytes);
  }

  async size(): Promise<number> {
    return this.#content().length;
  }

  async close(): Promise<void> {
    if (this.#open) this.#disk.openHandles -= 1;
    this.#open = false;
  }

  #copy(into: Uint8Array, position: number): number {
    const part = this.#content().subarray(position, position + into.length);
    into.set(part);
    return part.length;
  }

  /** A file that is removed is cut in steps: none of it may be there any more. */
  #content(): Uint8Array {
    const { bytes, isRemoved } = this.#disk.inode(this.#inode);
    if (isRemoved) throw systemError('ENOENT', this.#path);
    return bytes;
  }

  #synced(begin: number, fault: Fault | undefined): void {
    if (fault !== undefined) {
      this.#disk.drop(this.#inode);
      throw systemError(fault.code, this.#path);
    }
    this.#disk.log({ kind: 'sync', inode: this.#inode, begin });
  }

  #begin(pieces: readonly Uint8Array[], position: number, fault: Fault | undefined): Operation & { kind: 'write' } {
    const whole = Buffer.concat(pieces);
    const bytes = fault === undefined ? whole : whole.subarray(0, fault.partialBytes ?? 0);
    const operation = { kind: 'write' as const, inode: this.#inode, position, bytes, end: Number.POSITIVE_INFINITY };
    this.#disk.log(operation);
    this.#disk.inode(this.#inode).write(position, bytes);
    return operation;
  }
}

function applyWrite(
  inode: Inode,
  write: { readonly position: number; readonly bytes: Uint8Array },
  durable: boolean,
  random: SeededRandom,
): void {
  const { position, bytes } = write;
  const fate = durable ? 'kept' : random.pick(['kept', 'lost', 'short', 'torn', 'torn'] as const);
  if (fate === 'kept') inode.write(position, bytes);
  else if (fate === 'short') inode.write(position, bytes.subarray(0, random.below(bytes.length + 1)));
  else if (fate === 'torn') {
    const granule = random.chance(0.5) ? 8 : 512;
    const keep = random.next();
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + granule - ((position + at) % granule));
      if (random.chance(keep)) inode.write(position + at, bytes.subarray(at, end));
      at = end;
    }
  }
}

function raise<K>(map: Map<K, number>, key: K, value: number): void {
  map.set(key, Math.max(map.get(key) ?? value, value));
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function systemError(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: fake disk, ${path}`), { code });
}
