/**
 * A compressed file while it is written: content comes in order, and each block goes out once it is full. The last block, the table
 * and the trailer are written, and synced, when it is closed; memory holds one block and what is on its way.
 */
import type { DiskFile } from '../disk.ts';
import { FileInBlocks } from '../written-once.ts';
import { BlockPacker } from './block-packer.ts';
import { encodeHeader, encodeRow, encodeTail } from './file-layout.ts';

/** Of zstd. Higher ones save some percent and take twice the time, which readers and writers of the machine have less. */
const LEVEL = 1;

export class NewCompressedFile extends FileInBlocks {
  readonly #packer = new BlockPacker(LEVEL);
  readonly #rows: Uint8Array[] = [];
  readonly #blockBytes: number;

  constructor(file: DiskFile, blockBytes: number) {
    super(file, blockBytes);
    this.#blockBytes = blockBytes;
  }

  protected override begin(): Uint8Array {
    return encodeHeader(this.#blockBytes);
  }

  protected override pack(content: Uint8Array): readonly Uint8Array[] {
    // A copy: what does not shrink is stored as it came.
    const packed = this.#packer.pack(content.slice());
    this.#rows.push(encodeRow(packed));
    return [packed.stored];
  }

  protected override end(): readonly Uint8Array[] {
    return [encodeTail(this.contentBytes, this.#blockBytes, this.#rows)];
  }
}
