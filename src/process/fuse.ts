/** Several sources as one. */
import { type Guarantee, MillraceError } from '../client/internal.ts';
import type { AnyItem } from './item.ts';
import { Lanes } from './lanes.ts';
import type { RunningSource, Source, SourceContext, SourceTraits } from './step.ts';

/** How long `fuse` waits for sources that have nothing. */
export interface FuseOptions {
  readonly name?: string | undefined;
  /**
   * A source that has had nothing for so long is not waited for, until it gives something again; that may then be older than
   * what has gone on. Default: each is waited for, however long it is silent.
   */
  readonly idleMs?: number | undefined;
  /** Indexes of the sources that are waited for. Others come in when they have something. Default: all. */
  readonly aligned?: readonly number[] | undefined;
}

/**
 * Merges sources in the order of their timestamps. The output is in order where each source is; equal times go in the order of
 * the sources. A source that ended is not waited for.
 *
 * ```ts
 * fuse([from(client, { topics: 'bids', ... }), from(client, { topics: 'asks', ... })])
 * ```
 */
export function fuse<Item extends AnyItem, Can extends Guarantee>(
  sources: readonly Source<Item, Can>[],
  options: FuseOptions = {},
): Source<Item, Can> {
  if (sources.length === 0) throw new MillraceError('CLIENT_OPTION_INVALID', 'fuse takes at least one source.');
  const { aligned, idleMs } = options;
  const isAligned = (lane: number): boolean => aligned === undefined || aligned.includes(lane);
  return {
    name: options.name ?? sources.map(({ name }) => name).join('+'),
    traits: joinedTraits(sources),
    async open(context) {
      const lanes = await openLanes(sources, { isAligned, idleMs }, context);
      const running: RunningSource<Item> = {
        async read(signal) {
          const chunk = await lanes.read(signal);
          return chunk === undefined
            ? undefined
            : { accept: async () => (await chunk.accept()).map(({ item }) => item) };
        },
        watermark: () => lanes.watermark(),
        commit: async (held) => await lanes.commit(held),
        positions: (held) => lanes.positions(held),
        close: async () => await lanes.close(),
      };
      return running;
    },
  };
}

/** Opens all sources, or none. */
export async function openLanes<Item extends AnyItem>(
  sources: readonly Source<Item>[],
  options: ConstructorParameters<typeof Lanes>[1],
  context: SourceContext,
): Promise<Lanes<Item>> {
  const opened: RunningSource<Item>[] = [];
  const holder: { lanes?: Lanes<Item> } = {};
  try {
    for (const source of sources) opened.push(await source.open({ ...context, wake: () => holder.lanes?.wake() }));
  } catch (error) {
    for (const source of opened) await source.close().catch(() => undefined);
    throw error;
  }
  holder.lanes = new Lanes(opened, options, context);
  return holder.lanes;
}

export function joinedTraits(sources: readonly { readonly traits: SourceTraits }[]): SourceTraits {
  const traits = sources.map((source) => source.traits);
  const clients = traits.map((trait) => trait.clients);
  return {
    acknowledgesRecords: traits.some((trait) => trait.acknowledgesRecords),
    partitionsMove: traits.some((trait) => trait.partitionsMove),
    clients: clients.includes(undefined) ? undefined : clients.flatMap((list) => list ?? []),
  };
}
