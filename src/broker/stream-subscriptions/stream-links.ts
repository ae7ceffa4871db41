/** Links of subscriptions beside the streams as they stand. Reads both and changes neither. */
import { MillraceError } from '../../base/errors.ts';
import type { Streams } from '../streams/streams.ts';
import type { Ack, LinkView } from './api.ts';
import type { StreamLink, StreamSubscription } from './stream-subscription.ts';

export class StreamLinks {
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  /** Streams of a subscription as they stand; pending ones first where they are more than `max`. */
  view(subscription: StreamSubscription, max = Number.POSITIVE_INFINITY): LinkView[] {
    const all = [...subscription.links.values()].map((link) => this.#viewOf(link));
    if (all.length <= max) return all;
    return [...all.filter((view) => view.hasPending), ...all.filter((view) => !view.hasPending)].slice(0, max);
  }

  tailOf(name: string): number {
    return this.#streams.find(name)?.tailOffset ?? 0;
  }

  /** Of a subscription that is made: existing streams, where they end. */
  first(subscription: StreamSubscription, names: readonly string[]): StreamLink[] {
    const links = new Map<string, StreamLink>();
    for (const name of names) links.set(name, { name, byGlob: false, byName: true, ackedOffset: this.tailOf(name) });
    for (const { topic, retired, tailOffset } of this.#streams.list()) {
      const { name } = topic;
      if (retired || !subscription.matches(name)) continue;
      links.set(name, { name, byGlob: true, byName: links.has(name), ackedOffset: tailOffset });
    }
    return [...links.values()];
  }

  /** The link with its cursor moved. @throws BROKER_SUBSCRIPTION_OFFSET_INVALID. */
  acked(subscription: StreamSubscription, { name, offset }: Ack): StreamLink {
    const link = subscription.links.get(name);
    const why =
      link === undefined
        ? 'it is no stream of the subscription'
        : offset < link.ackedOffset
          ? 'it is before what was acknowledged'
          : offset > this.tailOf(name)
            ? 'it is beyond the end of the stream'
            : undefined;
    if (link !== undefined && why === undefined) return { ...link, ackedOffset: offset };
    throw new MillraceError(
      'BROKER_SUBSCRIPTION_OFFSET_INVALID',
      `Offset ${offset} of ${name} cannot be acknowledged: ${why}. Nothing was.`,
      { details: { subscription: subscription.id, stream: name, offset } },
    );
  }

  #viewOf({ name, byName, ackedOffset }: StreamLink): LinkView {
    const tailOffset = this.tailOf(name);
    const linkType = byName ? 'explicit' : 'glob';
    return { name, linkType, ackedOffset, tailOffset, hasPending: tailOffset > ackedOffset };
  }
}
