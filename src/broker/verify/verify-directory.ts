/**
 * Checks a whole data directory: every checksum, and that the parts agree. Reads files directly and changes nothing, so it may
 * run beside a broker; files that go meanwhile are left out.
 *
 * | checked | how | repaired |
 * |---|---|---|
 * | journal files | headers, chain, tables, every command and batch | no |
 * | indexes | what their journal file gives, byte for byte | built again |
 * | order files | header, every block | no: subscriptions over many topics begin behind it |
 * | chunks | header, directory, rows, every batch, offsets without a gap | no |
 * | checkpoints | every section; the newest can be restored | no: the one before is used |
 * | chunks under a shredded key | nothing | no: what is in them is gone, as was asked |
 * | views | each partition's ranges, by the newest checkpoint: no gap, files there, the same offsets in the chunks | no |
 */
import { asMillraceError } from '../../base/errors.ts';
import type { Disk } from '../../journal/disk.ts';
import { listKeyFiles } from '../../journal/encryption/key-files.ts';
import { scanFile } from '../../journal/file-scan.ts';
import {
  checkpointDirectory,
  checkpointPath,
  chunkDirectory,
  chunkPath,
  indexPath,
  journalDirectory,
  journalPath,
  numberedFiles,
  orderPath,
} from '../../journal/paths.ts';
import { verifyJournal } from '../../journal/verify.ts';
import { fileSize, readWhole } from '../../journal/whole-file.ts';
import { decodeCheckpoint } from '../../store/checkpoint-file.ts';
import { checkChunk } from '../../store/chunk-check.ts';
import { describeFile, isChunk } from '../../store/file-number.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import { IndexBuilder } from '../../store/index-file.ts';
import { orderRows } from '../../store/order-file.ts';
import type { Partition } from '../../store/partition.ts';
import { BrokerState } from '../broker-state.ts';
import { rebuildIndex } from '../checkpoints/index-repair.ts';
import { DEFAULT_BROKER_SETTINGS } from '../settings.ts';

export interface VerifiedPart {
  readonly kind: 'sound';
  readonly path: string;
  readonly sizeBytes: number;
}

export interface VerifyProblem {
  readonly kind: 'problem';
  readonly path: string;
  /** Place in the file; undefined where it is about the whole. */
  readonly position: number | undefined;
  readonly problem: string;
  /** No damage: an unfinished write at the journal's end, which the next start cuts off, or what was shredded. */
  readonly harmless: boolean;
  /** Its data key was deleted on purpose (`millrace keys shred`), so nobody can say more of it. */
  readonly shredded: boolean;
  readonly repaired: boolean;
}

export type VerifyReport = VerifiedPart | VerifyProblem;

/** Ranges by chunk and partition, as the chunks say them. */
type ChunkRanges = Map<number, Map<number, FileRange>>;

/** @param repair the caller holds the directory's lock: what can be built again is. */
export async function* verifyDirectory(
  disk: Disk,
  directory: string,
  repair: boolean,
): AsyncGenerator<VerifyReport, void, undefined> {
  const damaged = new Set<string>();
  for await (const item of verifyJournal({ disk, directory, fromFile: 1 })) {
    if (item.kind === 'problem') {
      const path = journalPath(directory, item.file);
      const harmless = item.severity !== 'corrupt';
      if (!harmless) damaged.add(path);
      yield { ...damage(path, item.position, item.problem), harmless };
    } else if (!damaged.has(item.path)) yield { kind: 'sound', path: item.path, sizeBytes: item.sizeBytes };
  }
  yield* verifyIndexes(disk, directory, repair);
  yield* verifyOrders(disk, directory);
  const ranges: ChunkRanges = new Map();
  yield* verifyChunks(disk, directory, ranges);
  yield* verifyCheckpoints(disk, directory, ranges);
}

async function* verifyIndexes(
  disk: Disk,
  directory: string,
  repair: boolean,
): AsyncGenerator<VerifyReport, void, undefined> {
  const names = await disk.list(journalDirectory(directory));
  const indexed = new Set(numberedFiles(names, 'index'));
  for (const file of numberedFiles(names, 'journal')) {
    if (!indexed.has(file)) continue;
    const path = indexPath(directory, file);
    const expected = await builtIndex(disk, directory, file);
    const found = await readWhole(disk, path).catch(() => undefined);
    // A journal file that cannot be read was named above; one that is gone took its index along.
    if (expected === undefined || found === undefined) continue;
    if (Buffer.from(found).equals(expected)) {
      yield { kind: 'sound', path, sizeBytes: found.length };
      continue;
    }
    if (repair) await rebuildIndex(disk, directory, file);
    yield damage(path, undefined, 'it is not what its journal file gives', repair);
  }
}

async function* verifyOrders(disk: Disk, directory: string): AsyncGenerator<VerifyReport, void, undefined> {
  for (const file of numberedFiles(await disk.list(journalDirectory(directory)), 'order')) {
    const path = orderPath(directory, file);
    const bytes = await readWhole(disk, path).catch(() => undefined);
    // It goes when nothing in it is readable any more.
    if (bytes === undefined) continue;
    const fault = [...orderRows(bytes, file)].find((rows) => typeof rows === 'string');
    yield fault === undefined
      ? { kind: 'sound', path, sizeBytes: bytes.length }
      : damage(path, undefined, `${fault}; subscriptions over many topics begin behind it`);
  }
}

async function builtIndex(disk: Disk, directory: string, file: number): Promise<Uint8Array | undefined> {
  const path = journalPath(directory, file);
  const index = new IndexBuilder(file);
  try {
    const sizeBytes = await fileSize(disk, path);
    await scanFile(disk, path, file, sizeBytes, {
      batchHeaders: (run, runBytes) => index.add(run, runBytes),
      command: () => undefined,
    });
    return index.build().bytes;
  } catch {
    return undefined;
  }
}

async function* verifyChunks(
  disk: Disk,
  directory: string,
  ranges: ChunkRanges,
): AsyncGenerator<VerifyReport, void, undefined> {
  const keys = (await listKeyFiles(disk, directory)).filter(({ state }) => state === 'shredded');
  const shreddedKeys = new Set<unknown>(keys.map(({ number }) => number));
  for (const chunk of numberedFiles(await disk.list(chunkDirectory(directory)), 'chunk')) {
    const path = chunkPath(directory, chunk);
    const byPartition = new Map<number, FileRange>();
    ranges.set(chunk, byPartition);
    let sizeBytes = 0;
    let problems = 0;
    try {
      for await (const item of checkChunk(disk, path, chunk)) {
        if (item.kind === 'chunk') sizeBytes = item.sizeBytes;
        else if (item.kind === 'partition') byPartition.set(item.partition, item.range);
        else if (item.kind === 'problem') {
          problems += 1;
          yield damage(path, item.position, item.problem);
        }
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        ranges.delete(chunk);
        continue;
      }
      // It is there, whatever is in it: no view misses it.
      byPartition.clear();
      const { code, message, details } = asMillraceError(error);
      const isShredded = code === 'STORE_KEY_MISSING' && shreddedKeys.has(details['dataKey']);
      yield isShredded
        ? { ...damage(path, undefined, 'the key of its records was deleted'), harmless: true, shredded: true }
        : damage(path, undefined, `it cannot be read: ${message}`);
      continue;
    }
    if (problems === 0) yield { kind: 'sound', path, sizeBytes };
  }
}

async function* verifyCheckpoints(
  disk: Disk,
  directory: string,
  ranges: ChunkRanges,
): AsyncGenerator<VerifyReport, void, undefined> {
  const files = numberedFiles(await disk.list(checkpointDirectory(directory)), 'checkpoint');
  let looked = false;
  for (const file of files.toReversed()) {
    const path = checkpointPath(directory, file);
    try {
      const bytes = await readWhole(disk, path);
      const { sections } = decodeCheckpoint(bytes, path);
      const state = new BrokerState(DEFAULT_BROKER_SETTINGS);
      state.restore(sections);
      yield { kind: 'sound', path, sizeBytes: bytes.length };
      if (looked) continue;
      looked = true;
      const journals = new Set(numberedFiles(await disk.list(journalDirectory(directory)), 'journal'));
      for (const partition of state.store.partitions()) {
        const fault = viewFault(partition, state, ranges, journals);
        if (fault !== undefined) yield damage(path, undefined, `${nameOf(state, partition)}: ${fault}`);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      yield damage(path, undefined, asMillraceError(error).message);
    }
  }
}

/** What is wrong with the places that the partition is read from. */
function viewFault(
  partition: Partition,
  state: BrokerState,
  chunks: ChunkRanges,
  journals: ReadonlySet<number>,
): string | undefined {
  const { ranges, logStartOffset, endOffset } = partition;
  let next = logStartOffset;
  for (let i = 0; i < (ranges?.count ?? 0); i++) {
    const range = ranges?.at(i) as FileRange;
    if (range.baseOffset > next) return `offsets ${next} to ${range.baseOffset - 1} are nowhere`;
    next = range.endOffset;
    if (!isChunk(range.file)) {
      if (!journals.has(range.file)) return `${describeFile(range.file)}, which has some of its records, is missing`;
      continue;
    }
    const chunk = chunks.get(-range.file);
    if (chunk === undefined) {
      if (state.tier.place(-range.file) !== undefined) continue;
      return `${describeFile(range.file)}, which has some of its records, is missing`;
    }
    const said = chunk.get(partition.number);
    const agrees = said?.baseOffset === range.baseOffset && said.endOffset === range.endOffset;
    if (chunk.size > 0 && !agrees) return `${describeFile(range.file)} has other offsets than the checkpoint says`;
  }
  return next < endOffset ? `offsets ${next} to ${endOffset - 1} are nowhere` : undefined;
}

function nameOf(state: BrokerState, { number, index }: Partition): string {
  const topic = state.topics.ofPartition(number);
  return topic === undefined ? `partition ${number}` : `topic ${topic.name}, partition ${index}`;
}

function damage(path: string, position: number | undefined, problem: string, repaired = false): VerifyProblem {
  return { kind: 'problem', path, position, problem, harmless: false, shredded: false, repaired };
}
