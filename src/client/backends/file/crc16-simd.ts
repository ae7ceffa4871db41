/**
 * CRC-16/CDMA2000 with vector instructions, as WebAssembly: some ten times as fast as tables in JavaScript, which otherwise take
 * most of the time of reading and writing `.ss` files. Where a runtime has no SIMD there is no such function, and crc16.ts goes on.
 *
 * A CRC is the remainder of a polynomial, and remainders of parts add up (xor). A message of 32 bytes is kept in two vectors,
 * and each step takes 32 more bytes in:
 *
 *   high = b0 … b7 b16 … b23, low = b8 … b15 b24 … b31        both times x^256 mod P, xor the next 32 bytes
 *
 * A byte times x^256 has the remainder of one byte at a place of `high` and one at the same place of `low`, 8 bytes further on:
 * `h' × x^64 + l'` takes every value of 16 bits once, for h' and l' from 0 to 255. (At a distance of 16 bytes, for which no
 * bytes would have to be moved, it does not, for this P.) So the product is again a message of 32 bytes, lane by lane.
 * Multiplying by a constant is linear: it is the xor of two table entries, one for each half byte, and a table of sixteen bytes
 * is one `swizzle`. What is left at the end, the 32 bytes and those that are no whole step, goes through tables of bytes.
 */

const POLYNOMIAL = 0xc867;
const STEP_BYTES = 32;
/** Between a byte in `high` and the one at the same place of `low`. */
const APART_BITS = 64;
/** Where things stand in the module's memory: tables of half bytes, the last 32 bytes, tables of bytes, then what is given. */
const LANES_AT = 128;
const TABLES_AT = 256;
const TABLES_BYTES = 8 * 256 * 2;
const INPUT_AT = TABLES_AT + TABLES_BYTES;
/** Of 64 KiB. */
const PAGES = 4;

export interface SimdCrc16 {
  /** Put the bytes here. */
  readonly input: Uint8Array;
  /** CRC of some of it. @param end exclusive. */
  readonly crc: (start: number, end: number, seed: number) => number;
}

/**
 * @param byteTables eight tables of 256 remainders: of a byte, of a byte and one zero byte behind it, and so on.
 * @param forms of the instruction to try, in this order.
 * @returns undefined where the runtime has no WebAssembly with SIMD.
 */
export function loadSimdCrc16(
  byteTables: Uint16Array,
  forms: readonly ('relaxed' | 'exact')[] = ['relaxed', 'exact'],
): SimdCrc16 | undefined {
  for (const form of forms) {
    try {
      // The relaxed form leaves open what indexes past 15 lead to, of which there are none, and is one machine instruction.
      return instantiate(byteTables, form === 'relaxed' ? RELAXED_SWIZZLE : SWIZZLE);
    } catch {
      // Not known here.
    }
  }
  return undefined;
}

function instantiate(byteTables: Uint16Array, swizzle: readonly number[]): SimdCrc16 {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: MinimalWebAssembly };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes(swizzle)));
  const bytes = new Uint8Array(exports.memory.buffer);
  bytes.set(halfByteTables());
  const view = new DataView(exports.memory.buffer);
  for (const [index, entry] of byteTables.entries()) view.setUint16(TABLES_AT + index * 2, entry, true);
  return {
    input: bytes.subarray(INPUT_AT),
    crc: (start, end, seed) => exports.crc(INPUT_AT + start, INPUT_AT + end, seed),
  };
}

/** What is used of it; the types of Node.js leave WebAssembly to those of browsers. */
interface MinimalWebAssembly {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
  ) => {
    readonly exports: {
      readonly memory: { readonly buffer: ArrayBuffer };
      crc(start: number, end: number, seed: number): number;
    };
  };
}

/** For the half bytes of `high` and of `low`, each the lower first: sixteen h', then sixteen l'. */
function halfByteTables(): Uint8Array {
  /** Which h' has these upper eight bits in h' × x^64; l' then makes up for the lower ones. */
  const highOf = new Uint8Array(256);
  for (let high = 0; high < 256; high++) highOf[times(high, APART_BITS) >>> 8] = high;
  const bytes = new Uint8Array(LANES_AT);
  for (const [vector, shift] of [STEP_BYTES * 8 + APART_BITS, STEP_BYTES * 8].entries()) {
    for (let half = 0; half < 2; half++) {
      for (let value = 0; value < 16; value++) {
        const product = times(value << (half * 4), shift);
        const high = highOf[product >>> 8] as number;
        const at = (vector * 2 + half) * 32 + value;
        bytes[at] = high;
        bytes[at + 16] = times(high, APART_BITS) ^ product;
      }
    }
  }
  return bytes;
}

/** A polynomial times x^power mod P. */
function times(value: number, power: number): number {
  let product = value;
  for (let bit = 0; bit < power; bit++)
    product = product & 0x8000 ? ((product << 1) ^ POLYNOMIAL) & 0xffff : product << 1;
  return product;
}

// Opcodes (WebAssembly core specification, 5.4 binary format of instructions).
const LOCAL_GET = 0x20;
const LOCAL_SET = 0x21;
const I32_CONST = 0x41;
const I32_LOAD8_U = 0x2d;
const I32_LOAD16_U = 0x2f;
const I32_ADD = 0x6a;
const I32_SUB = 0x6b;
const I32_AND = 0x71;
const I32_XOR = 0x73;
const I32_SHL = 0x74;
const I32_SHR_U = 0x76;
const I32_LT_U = 0x49;
const I32_GE_U = 0x4f;
const CALL = 0x10;
const BLOCK = 0x02;
const LOOP = 0x03;
const IF = 0x04;
const BR = 0x0c;
const BR_IF = 0x0d;
const END_OF_CODE = 0x0b;
const EMPTY = 0x40;
const V128_LOAD = [0xfd, 0x00, 0x00];
const V128_STORE = [0xfd, 0x0b, 0x00];
const V128_ZERO = [0xfd, 0x0c, ...Array.from({ length: 16 }, () => 0)];
const SWIZZLE = [0xfd, 0x0e];
const RELAXED_SWIZZLE = [0xfd, 0x80, 0x02];
const SPLAT = [0xfd, 0x0f];
const REPLACE_LANE = [0xfd, 0x17];
const V128_AND = [0xfd, 0x4e];
const V128_XOR = [0xfd, 0x51];
const I16X8_SHR_U = [0xfd, 0x8d, 0x01];
/** The first halves of two vectors, and the second ones. Each undoes itself together with the other. */
const FIRST_HALVES = [0xfd, 0x0d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const SECOND_HALVES = FIRST_HALVES.map((value, i) => (i < 2 ? value : value + 8));

// Parameters of both functions.
const AT = 0;
const END = 1;
const CRC = 2;
// Locals of `crc`.
const LAST = 3;
const HIGH = 4;
const LOW = 5;
const MASK = 6;
/** Half bytes of high and of low, the lower first. */
const HALF = [7, 8, 9, 10];
/** Tables as in memory. */
const TABLE = [11, 12, 13, 14, 15, 16, 17, 18];
const VECTOR_COUNT = 15;

/** Function 0, `tables(at, end, crc)`, through tables of bytes; function 1, `crc(at, end, crc)`, with vectors where it pays. */
function moduleBytes(swizzle: readonly number[]): Uint8Array {
  const byTables = [0, ...tablesCode(), END_OF_CODE];
  const byVectors = [2, 1, 0x7f /* i32 */, VECTOR_COUNT, 0x7b /* v128 */, ...vectorsCode(swizzle), END_OF_CODE];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f]),
    ...section(3, [2, 0, 0]),
    ...section(5, [1, 1, PAGES, PAGES]),
    ...section(7, [2, ...name('memory'), 2, 0, ...name('crc'), 0, 1]),
    ...section(10, [2, ...leb(byTables.length), ...byTables, ...leb(byVectors.length), ...byVectors]),
  ]);
}

function tablesCode(): number[] {
  const load = (offset: number): number[] => [...get(AT), I32_LOAD8_U, 0, offset];
  /** From the address of twice the byte on the stack. */
  const entry = (table: number): number[] => [I32_CONST, 1, I32_SHL, I32_LOAD16_U, 0, ...leb(TABLES_AT + table * 512)];
  const upper = [...get(CRC), I32_CONST, 8, I32_SHR_U];
  const lower = [...get(CRC), I32_CONST, ...sleb(255), I32_AND];
  const eight = Array.from({ length: 8 }, (_, i) => {
    const byte = i === 0 ? [...load(0), ...upper, I32_XOR] : i === 1 ? [...load(1), ...lower, I32_XOR] : load(i);
    return [...byte, ...entry(7 - i), ...(i === 0 ? [] : [I32_XOR])];
  }).flat();
  const one = [
    ...[...load(0), ...upper, I32_XOR, ...entry(0)],
    ...[...get(CRC), I32_CONST, 8, I32_SHL, I32_CONST, ...sleb(0xffff), I32_AND, I32_XOR],
  ];
  return [
    ...whileLoop([...get(END), ...get(AT), I32_SUB, I32_CONST, 8, I32_LT_U], [...eight, ...set(CRC), ...advance(8)]),
    ...whileLoop([...get(AT), ...get(END), I32_GE_U], [...one, ...set(CRC), ...advance(1)]),
    ...get(CRC),
  ];
}

function vectorsCode(swizzle: readonly number[]): number[] {
  const next = (offset: number): number[] => [...get(AT), ...V128_LOAD, offset];
  /** @param which 0: the new high; 1: the new low. */
  const product = (which: number): number[] =>
    HALF.flatMap((half, i) => [
      ...[...get(TABLE[i * 2 + which] as number), ...get(half), ...swizzle],
      ...(i === 0 ? [] : V128_XOR),
    ]);
  const halves = (vector: number, low: number, high: number): number[] => [
    ...[...get(vector), ...get(MASK), ...V128_AND, ...set(low)],
    ...[...get(vector), I32_CONST, 4, ...I16X8_SHR_U, ...get(MASK), ...V128_AND, ...set(high)],
  ];
  // What came before is as if its remainder stood in front of the first two bytes.
  const seed = [
    ...[...V128_ZERO, ...get(CRC), I32_CONST, 8, I32_SHR_U, ...REPLACE_LANE, 0],
    ...[...get(CRC), ...REPLACE_LANE, 1],
  ];
  const step = [
    ...[...halves(HIGH, HALF[0] as number, HALF[1] as number), ...halves(LOW, HALF[2] as number, HALF[3] as number)],
    ...[...product(0), ...next(0), ...next(16), ...FIRST_HALVES, ...V128_XOR, ...set(HIGH)],
    ...[...product(1), ...next(0), ...next(16), ...SECOND_HALVES, ...V128_XOR, ...set(LOW)],
    ...advance(STEP_BYTES),
  ];
  const steps = [
    ...[I32_CONST, 15, ...SPLAT, ...set(MASK)],
    ...TABLE.flatMap((table, i) => [I32_CONST, 0, ...V128_LOAD, ...leb(i * 16), ...set(table)]),
    ...[...next(0), ...next(16), ...FIRST_HALVES, ...seed, ...V128_XOR, ...set(HIGH)],
    ...[...next(0), ...next(16), ...SECOND_HALVES, ...set(LOW), ...advance(STEP_BYTES)],
    // End less what is no whole step.
    ...[...get(END), ...get(END), ...get(AT), I32_SUB, I32_CONST, STEP_BYTES - 1, I32_AND, I32_SUB, ...set(LAST)],
    ...whileLoop([...get(AT), ...get(LAST), I32_GE_U], step),
    ...[I32_CONST, 0, ...get(HIGH), ...get(LOW), ...FIRST_HALVES, ...V128_STORE, ...leb(LANES_AT)],
    ...[I32_CONST, 0, ...get(HIGH), ...get(LOW), ...SECOND_HALVES, ...V128_STORE, ...leb(LANES_AT + 16)],
    ...[I32_CONST, ...sleb(LANES_AT), I32_CONST, ...sleb(LANES_AT + STEP_BYTES), I32_CONST, 0, CALL, 0, ...set(CRC)],
  ];
  return [
    ...[
      ...get(END),
      ...get(AT),
      I32_SUB,
      I32_CONST,
      ...sleb(2 * STEP_BYTES),
      I32_GE_U,
      IF,
      EMPTY,
      ...steps,
      END_OF_CODE,
    ],
    ...[...get(AT), ...get(END), ...get(CRC), CALL, 0],
  ];
}

function whileLoop(isOver: readonly number[], body: readonly number[]): number[] {
  return [BLOCK, EMPTY, LOOP, EMPTY, ...isOver, BR_IF, 1, ...body, BR, 0, END_OF_CODE, END_OF_CODE];
}

function advance(bytes: number): number[] {
  return [...get(AT), I32_CONST, bytes, I32_ADD, ...set(AT)];
}

function get(local: number): number[] {
  return [LOCAL_GET, local];
}

function set(local: number): number[] {
  return [LOCAL_SET, local];
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...leb(content.length), ...content];
}

function name(text: string): number[] {
  return [text.length, ...Array.from(text, (char) => char.charCodeAt(0))];
}

/** Unsigned LEB128. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}

/** Signed LEB128 of a number that is not negative: its highest bit must not be taken for a sign. */
function sleb(value: number): number[] {
  return value < 64 ? [value] : [(value & 127) | 128, ...sleb(value >>> 7)];
}
