/**
 * One topic out of a backup: the checkpoint says which files have its records, only these are written, and read there. For
 * a topic that comes back under another name, or into another broker.
 */
import { MillraceError } from '../../base/errors.ts';
import type { Disk } from '../../journal/disk.ts';
import type { MasterKeys } from '../../journal/encryption/master-keys.ts';
import {
  checkpointDirectory,
  checkpointPath,
  chunkDirectory,
  journalDirectory,
  keysDirectory,
  numberedFiles,
} from '../../journal/paths.ts';
import { readWhole } from '../../journal/whole-file.ts';
import { batchSizeBytes, lastOffset } from '../../model/record-batch.ts';
import { foldTopicName } from '../../model/topic-name.ts';
import type { BackupPiece, BackupReader } from '../../store/backup-reader.ts';
import { decodeCheckpoint } from '../../store/checkpoint-file.ts';
import { isChunk } from '../../store/file-number.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import type { Partition } from '../../store/partition.ts';
import { soundBytes } from '../../store/sound-batches.ts';
import { BrokerState } from '../broker-state.ts';
import type { SealPart } from '../chunks/seal-plan.ts';
import { SealSources } from '../chunks/seal-sources.ts';
import { DEFAULT_BROKER_SETTINGS } from '../settings.ts';
import type { Topic } from '../topic.ts';
import { BackupFileWriter } from './file-writer.ts';
import { openRestored, planRestore, wantedPieces } from './restore-directory.ts';

export interface TopicCopyOptions {
  readonly disk: Disk;
  /** An empty directory for what is needed; the caller removes it. */
  readonly directory: string;
  /** As for `restoreDirectory`; closed in the end. */
  readonly backups: readonly BackupReader[];
  /** Its name, in either form. */
  readonly topic: string;
  /** For a backup of encrypted files. */
  readonly masterKeys?: MasterKeys | undefined;
  /** Bytes of the backup that were read since the last call. */
  readonly progress?: ((bytes: number) => void) | undefined;
}

export class TopicCopy {
  readonly topic: Topic;
  readonly #disk: Disk;
  readonly #directory: string;

  /** @throws BACKUP_RESTORE_REFUSED (it has no such topic), BACKUP_CORRUPT, BACKUP_INCOMPLETE, STORE_CORRUPT. */
  static async extract(options: TopicCopyOptions): Promise<TopicCopy> {
    const { disk, directory, backups } = options;
    const writer = new BackupFileWriter(disk, directory);
    try {
      for (const folder of [journalDirectory, checkpointDirectory, chunkDirectory, keysDirectory]) {
        await disk.makeDirectory(folder(directory));
      }
      let topic: Topic | undefined;
      let needed: ReadonlySet<string> = new Set();
      for await (const piece of wantedPieces(backups, planRestore(backups))) {
        options.progress?.(piece.bytes.length);
        if (piece.file.kind === 'checkpoint' || piece.file.kind === 'key') {
          await writer.write(piece);
          continue;
        }
        if (topic === undefined) {
          await writer.finish();
          topic = await topicOf(options);
          needed = filesOf(topic);
        }
        if (needed.has(keyOf(piece))) await writer.write(piece);
      }
      await writer.finish();
      topic ??= await topicOf(options);
      return new TopicCopy(await openRestored(disk, directory, options.masterKeys), directory, topic);
    } finally {
      await writer.close();
      for (const backup of backups) await backup.close();
    }
  }

  private constructor(disk: Disk, directory: string, topic: Topic) {
    this.#disk = disk;
    this.#directory = directory;
    this.topic = topic;
  }

  /**
   * All batches of a partition, from the one with the log start on; markers and batches of any transaction among them.
   *
   * @param damaged told of each place where batches are damaged: they are left out, the rest goes on.
   */
  async *batches(partition: Partition, damaged: (place: string) => void): AsyncGenerator<Uint8Array, void, undefined> {
    const sources = new SealSources(this.#disk, this.#directory);
    try {
      const pieces = await sources.pieces(partOf(partition));
      for await (const { span, bytes } of sources.read(pieces)) {
        for (const piece of span.pieces) {
          const from = piece.position - span.position;
          const run = bytes.subarray(from, from + piece.sizeBytes);
          const sound = soundBytes(run, piece.baseOffset);
          for (let at = 0; at < sound; at += batchSizeBytes(run, at)) {
            const batch = run.subarray(at, at + batchSizeBytes(run, at));
            if (lastOffset(batch, 0) >= partition.logStartOffset) yield Uint8Array.from(batch);
          }
          if (sound < run.length) damaged(`offsets ${piece.baseOffset} to ${piece.endOffset - 1}`);
        }
      }
    } finally {
      await sources.close();
    }
  }
}

/** By the checkpoint, which is written. */
async function topicOf({ disk, directory, topic: name, masterKeys }: TopicCopyOptions): Promise<Topic> {
  const opened = await openRestored(disk, directory, masterKeys);
  const [file = 0] = numberedFiles(await disk.list(checkpointDirectory(directory)), 'checkpoint');
  const path = checkpointPath(directory, file);
  const state = new BrokerState(DEFAULT_BROKER_SETTINGS);
  state.restore(decodeCheckpoint(await readWhole(opened, path), path).sections);
  const topic = state.topics.find(foldTopicName(name));
  if (topic !== undefined) return topic;
  const names = [...state.topics.list()].slice(0, 10).map((each) => each.name);
  throw new MillraceError(
    'BACKUP_RESTORE_REFUSED',
    `The backup has no topic ${name}; it has ${names.length === 0 ? 'none' : names.join(', ')}.`,
    { details: { topic: name } },
  );
}

function filesOf({ partitions }: Topic): Set<string> {
  const files = new Set<string>();
  for (const partition of partitions) {
    for (const { file } of rangesOf(partition)) files.add(isChunk(file) ? `chunk ${-file}` : `journal ${file}`);
  }
  return files;
}

function keyOf({ file }: BackupPiece): string {
  return `${file.kind} ${file.number}`;
}

function partOf(partition: Partition): SealPart {
  const { number, logStartOffset } = partition;
  return { partition: number, logStartOffset, ranges: rangesOf(partition), sizeBytes: 0 };
}

function rangesOf({ ranges }: Partition): FileRange[] {
  return Array.from({ length: ranges?.count ?? 0 }, (_, i) => ranges?.at(i) as FileRange);
}
