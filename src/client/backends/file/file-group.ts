/**
 * Groups of a `.ss` file, which SeaStreamer's format has no place for: committed positions stand in a file beside it,
 * `NAME.ss.group-GROUP.json`, `{"version":1,"next":{"topic/shard":"sequence"}}`. Members within one process share the shards.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { MillraceError } from '../../../base/errors.ts';
import type { Place } from '../../position.ts';
import { type PositionMark, partitionKey } from '../../position-marks.ts';
import type { Wake } from '../../wake.ts';
import { MemoryGroup } from '../memory/memory-group.ts';
import { fileError } from './ss-scan.ts';

export class FileGroup extends MemoryGroup {
  readonly #file: string;
  readonly #next: Map<string, string>;
  #saving: Promise<void> = Promise.resolve();

  private constructor(changed: Wake, file: string, next: Map<string, string>) {
    super(changed);
    this.#file = file;
    this.#next = next;
  }

  /** @throws MillraceError CLIENT_FILE_CORRUPT, CLIENT_FILE_IO. */
  static async open(file: string, group: string, changed: Wake): Promise<FileGroup> {
    const sidecar = `${file}.group-${encodeURIComponent(group)}.json`;
    const known = groups.get(sidecar);
    if (known !== undefined) return await known;
    const opening = load(sidecar).then((next) => new FileGroup(changed, sidecar, next));
    groups.set(sidecar, opening);
    opening.catch(() => groups.delete(sidecar));
    return await opening;
  }

  override committed(place: Required<Place>): bigint | undefined {
    const next = this.#next.get(partitionKey(place));
    return next === undefined ? undefined : BigInt(next);
  }

  /** Durable when it resolves. */
  async save(marks: readonly PositionMark[]): Promise<void> {
    for (const mark of marks) this.#next.set(partitionKey(mark), String(mark.nextOffset));
    const before = this.#saving;
    const save = (async () => {
      await before.catch(() => undefined);
      await this.#save();
    })();
    this.#saving = save;
    await save;
  }

  /** Beside, then in its place: a crash leaves the old or the new one. */
  async #save(): Promise<void> {
    const beside = `${this.#file}.new`;
    try {
      const handle = await open(beside, 'w');
      try {
        await handle.writeFile(JSON.stringify({ version: 1, next: Object.fromEntries(this.#next) }));
        await handle.datasync();
      } finally {
        await handle.close();
      }
      await rename(beside, this.#file);
    } catch (error) {
      throw fileError(error, this.#file, 'Committing to');
    }
  }
}

const groups = new Map<string, Promise<FileGroup>>();

async function load(file: string): Promise<Map<string, string>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
    throw fileError(error, file, 'Reading');
  }
  try {
    const { version, next } = JSON.parse(text) as { version: unknown; next: Record<string, string> };
    const entries = Object.entries(next);
    if (version !== 1 || !entries.every(([, value]) => /^\d{1,20}$/.test(value)))
      throw new TypeError('other members than expected');
    return new Map(entries);
  } catch (error) {
    throw new MillraceError(
      'CLIENT_FILE_CORRUPT',
      `${file} does not hold committed positions: delete it to start anew.`,
      { details: { path: file }, cause: error },
    );
  }
}
