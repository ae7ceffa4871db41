/**
 * A broker's core without its threads: journal, folded state and the paths that change it, on a fake disk with small
 * files. For tests of what is folded from closed files, and of what a restart finds.
 */
import { BufferPool } from '../../src/base/buffer-pool.ts';
import { BrokerState } from '../../src/broker/broker-state.ts';
import { Decompressor } from '../../src/broker/decompressor/decompressor.ts';
import { MessageIds } from '../../src/broker/message-ids/message-ids.ts';
import { ProduceItem, ProducePath } from '../../src/broker/produce.ts';
import { Producers } from '../../src/broker/producers.ts';
import type { BrokerSettings } from '../../src/broker/settings.ts';
import { DEFAULT_BROKER_SETTINGS } from '../../src/broker/settings.ts';
import type { Topic } from '../../src/broker/topic.ts';
import { Topics } from '../../src/broker/topics.ts';
import { Joining } from '../../src/broker/transactions/joining.ts';
import type { Disk } from '../../src/journal/disk.ts';
import type { JournalFile } from '../../src/journal/journal.ts';
import { LocalJournal } from '../../src/journal/local-journal.ts';
import type { ReplayStart } from '../../src/journal/recovery.ts';
import type { Checkpoint } from '../../src/store/checkpoint-file.ts';
import { ManualClock } from './manual-clock.ts';
import { SeededRandom } from './seeded-random.ts';

export const HISTORY_SETTINGS: BrokerSettings = { ...DEFAULT_BROKER_SETTINGS, checkpointBytes: 1 };
const DIRECTORY = 'd';

export class History {
  readonly state: BrokerState;
  readonly journal: LocalJournal;
  readonly clock: ManualClock;
  readonly topics: Topics;
  readonly producers: Producers;
  readonly paths: ProducePath;
  readonly messageIds: MessageIds;
  /** Opens in threads what is large: to be closed by who sends that. */
  readonly opener = new Decompressor();
  /** Closed files, in order. */
  readonly closed: JournalFile[];

  static readonly directory = DIRECTORY;

  private constructor(state: BrokerState, journal: LocalJournal, clock: ManualClock, closed: JournalFile[]) {
    this.state = state;
    this.journal = journal;
    this.clock = clock;
    this.closed = closed;
    let ids = 0;
    this.topics = new Topics({
      journal,
      state: state.topics,
      store: state.store,
      clock,
      settings: HISTORY_SETTINGS,
      newId: () => `${journal.status().headCommit}f${(ids += 1)}`.padStart(32, '0'),
    });
    this.producers = new Producers(journal, state.cluster);
    this.messageIds = new MessageIds({ state: state.messageIds, opener: this.opener, maxBytes: 1024 * 1024 });
    this.paths = new ProducePath(journal, clock, {
      state: state.transactions,
      joining: new Joining({ state: state.transactions, clock, joined: () => undefined }),
      messageIds: this.messageIds,
    });
  }

  static async open(
    disk: Disk,
    options: { checkpoint?: Checkpoint; fileBytes?: number; clock?: ManualClock } = {},
  ): Promise<History> {
    const { checkpoint } = options;
    const state = new BrokerState(HISTORY_SETTINGS);
    const closed: JournalFile[] = [];
    const clock = options.clock ?? new ManualClock();
    let from: ReplayStart | undefined;
    if (checkpoint !== undefined) {
      state.restore(checkpoint.sections);
      from = { file: checkpoint.file + 1, commit: checkpoint.commit, checksum: checkpoint.commitChecksum };
    }
    const journal = await LocalJournal.open({
      directory: DIRECTORY,
      disk,
      fold: state,
      clock,
      pool: new BufferPool(1024 * 1024),
      memory: { hold: (_file, _position, _bytes, lease) => lease.release() },
      observer: { rolled: (file) => void closed.push(file) },
      sync: 'always',
      fileBytes: options.fileBytes ?? 4096,
      random: new SeededRandom(1).next,
      from,
    });
    closed.push(...journal.recovery.files.slice(0, -1));
    return new History(state, journal, clock, closed);
  }

  /** Resolves with the item, refused or not, once it is durable. */
  produce(topic: Topic | undefined, index: number, batch: Uint8Array): Promise<ProduceItem> {
    return new Promise((resolve, reject) => {
      const item = new ProduceItem(topic, topic?.partitions[index], batch);
      void this.paths.produce({
        degree: 'durable',
        items: [item],
        lease: undefined,
        settled: (error) => (error === undefined ? resolve(item) : reject(error)),
      });
    });
  }

  /** What clients could tell apart, as text. */
  describe(): string[] {
    const lines: string[] = [this.state.cluster.clusterId, String(this.state.cluster.producerIdsEnd)];
    for (const topic of this.state.topics.list()) {
      const overrides = [...(topic.overrides ?? [])].map(([name, value]) => `${name}=${value}`).sort();
      lines.push(`${topic.name} ${topic.id} ${topic.createdAt} ${overrides.join()}`);
      for (const { number, index, logStartOffset, endOffset, highWatermark, producers } of topic.partitions) {
        lines.push(`  ${number} ${index} ${logStartOffset} ${endOffset} ${highWatermark} ${producers?.size ?? 0}`);
      }
    }
    lines.push(`next ${this.state.store.nextPartitionNumber}`);
    return lines;
  }
}
