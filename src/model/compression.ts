/**
 * The codecs of record batches. The broker stores and serves compressed batches untouched; only readers that need single
 * records open them: HTTP, timestamps inside a batch, compaction.
 *
 * All functions are synchronous. Input beyond `INLINE_INPUT_BYTES` takes milliseconds and belongs on a worker thread:
 * `src/broker/decompressor`.
 */
import zlib from 'node:zlib';
import { asBuffer } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import { decompressedTooLarge } from './expanding-output.ts';
import { readLz4Frame } from './lz4-frame.ts';
import { CODEC, type CodecName } from './record-batch.ts';
import { readSnappy, writeSnappy } from './snappy.ts';
import { wasmCodecs } from './wasm-codecs.ts';

/** Where decompressing on the event loop begins to be felt by others: about a millisecond. */
export const INLINE_INPUT_BYTES = 64 * 1024;

/**
 * Most that the records of one batch may expand to. Producers limit batches by their uncompressed size, 1 MB by default,
 * so this refuses bombs and nobody else.
 */
export const MAX_DECOMPRESSED_BYTES = 32 * 1024 * 1024;

/** zlib hands out its output in pieces of this size and joins them; its own default of 16 KiB makes that costly. */
const OUTPUT_PIECE_BYTES = 64 * 1024;

/** Header of independent 64 KiB blocks with its checksum, and the end mark. */
const EMPTY_LZ4_FRAME = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0];

/** @throws MODEL_CODEC_UNSUPPORTED for codec bits without a meaning. */
export function codecName(codec: number): CodecName {
  switch (codec) {
    case CODEC.none:
      return 'none';
    case CODEC.gzip:
      return 'gzip';
    case CODEC.snappy:
      return 'snappy';
    case CODEC.lz4:
      return 'lz4';
    case CODEC.zstd:
      return 'zstd';
    default:
      throw new MillraceError(
        'MODEL_CODEC_UNSUPPORTED',
        `Compression codec ${codec} is unknown; known are none, gzip, snappy, lz4, zstd (0 to 4).`,
        { details: { codec } },
      );
  }
}

/**
 * Opens the records of a batch. Memory grows with what is really in there and never beyond the limit.
 *
 * @param codec codec bits of the batch.
 * @param maxOutputBytes inclusive.
 * @returns owned bytes, except for codec none, which gives back `bytes` itself.
 * @throws MODEL_RECORD_INVALID where the data is damaged, MODEL_DECOMPRESSED_TOO_LARGE, MODEL_CODEC_UNSUPPORTED.
 */
export function decompress(codec: number, bytes: Uint8Array, maxOutputBytes = MAX_DECOMPRESSED_BYTES): Uint8Array {
  switch (codecName(codec)) {
    case 'none':
      if (bytes.length > maxOutputBytes) throw decompressedTooLarge(maxOutputBytes);
      return bytes;
    case 'gzip':
      return withZlib('gzip', maxOutputBytes, (options) => zlib.gunzipSync(bytes, options));
    case 'snappy':
      return readSnappy(bytes, maxOutputBytes);
    case 'lz4':
      return readLz4Frame(bytes, maxOutputBytes);
    case 'zstd':
      return withZlib('zstd', maxOutputBytes, (options) => zlib.zstdDecompressSync(bytes, options));
  }
}

/**
 * @param level of gzip (-1 to 9) or zstd (-131072 to 22); undefined: the codec's default. The others have none.
 * @returns owned bytes, except for codec none, which gives back `bytes` itself.
 */
export function compress(codec: number, bytes: Uint8Array, level?: number): Uint8Array {
  switch (codecName(codec)) {
    case 'none':
      return bytes;
    case 'gzip':
      return level === undefined ? zlib.gzipSync(bytes) : zlib.gzipSync(bytes, { level });
    case 'snappy':
      return writeSnappy(bytes);
    case 'lz4':
      // After its memory has grown, the package's encoder throws for empty input.
      return bytes.length === 0 ? Buffer.from(EMPTY_LZ4_FRAME) : wasmCodecs().lz4Compress(asBuffer(bytes));
    case 'zstd':
      return level === undefined
        ? zlib.zstdCompressSync(bytes)
        : zlib.zstdCompressSync(bytes, { params: { [zlib.constants.ZSTD_c_compressionLevel]: level } });
  }
}

interface ZlibLimits {
  readonly maxOutputLength: number;
  readonly chunkSize: number;
}

function withZlib(format: string, maxOutputBytes: number, open: (options: ZlibLimits) => Uint8Array): Uint8Array {
  try {
    // One byte at least, else zlib refuses the option itself.
    return open({ maxOutputLength: Math.max(1, maxOutputBytes), chunkSize: OUTPUT_PIECE_BYTES });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw decompressedTooLarge(maxOutputBytes);
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MillraceError('MODEL_RECORD_INVALID', `The ${format} data of the batch cannot be read: ${why}.`, {
      details: { format },
      cause,
    });
  }
}
