/** Subscriptions to streams as folded from the journal. Decides nothing; `stream-subscriptions.ts` does. */
import { assert, MillraceError } from '../../base/errors.ts';
import type { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import { type StreamLink, StreamSubscription } from './stream-subscription.ts';
import {
  decodeChange,
  decodeKeys,
  decodeSubscribed,
  decodeUnsubscribed,
  readConfig,
  readLinks,
  readWake,
  type SubscriptionKeys,
  writeConfig,
  writeLinks,
  writeWake,
} from './subscription-commands.ts';

const NONE: ReadonlySet<StreamSubscription> = new Set();

export class SubscriptionsState implements StatePart {
  readonly section = CHECKPOINT_SECTION.STREAM_SUBSCRIPTIONS;
  readonly commands = [
    COMMAND.SUBSCRIPTION_KEYS_MADE,
    COMMAND.SUBSCRIPTION_CREATED,
    COMMAND.SUBSCRIPTION_CHANGED,
    COMMAND.SUBSCRIPTION_DELETED,
  ];
  /** Undefined until the first subscription. */
  keys: SubscriptionKeys | undefined;
  readonly #byId = new Map<string, StreamSubscription>();
  readonly #byName = new Map<string, Set<StreamSubscription>>();

  get size(): number {
    return this.#byId.size;
  }

  list(): Iterable<StreamSubscription> {
    return this.#byId.values();
  }

  find(id: string): StreamSubscription | undefined {
    return this.#byId.get(id);
  }

  /** Those with a link to the stream. */
  linkedTo(name: string): ReadonlySet<StreamSubscription> {
    return this.#byName.get(name) ?? NONE;
  }

  apply(type: number, body: Uint8Array): void {
    switch (type) {
      case COMMAND.SUBSCRIPTION_KEYS_MADE:
        this.keys = decodeKeys(type, body);
        return;
      case COMMAND.SUBSCRIPTION_CREATED: {
        const { config, links } = decodeSubscribed(type, body);
        const subscription = new StreamSubscription(config);
        this.#byId.set(config.id, subscription);
        for (const link of links) this.#link(subscription, link);
        return;
      }
      case COMMAND.SUBSCRIPTION_CHANGED: {
        const { id, wake, links, unlinked } = decodeChange(type, body);
        const subscription = this.#known(id);
        subscription.wake = wake;
        for (const link of links) this.#link(subscription, link);
        for (const name of unlinked) this.#unlink(subscription, name);
        return;
      }
      case COMMAND.SUBSCRIPTION_DELETED: {
        const subscription = this.#known(decodeUnsubscribed(type, body));
        for (const name of [...subscription.links.keys()]) this.#unlink(subscription, name);
        subscription.deleted = true;
        this.#byId.delete(subscription.id);
        return;
      }
      default:
        assert(false, `command ${type} is not one of subscriptions`);
    }
  }

  /** Part of the fold: the stream's cursors go with it; who named it hears of another one made under its name. */
  topicDeleted({ name }: Topic): void {
    for (const subscription of [...this.linkedTo(name)]) {
      const link = subscription.links.get(name);
      if (link?.byName === true) subscription.links.set(name, { ...link, byGlob: false, ackedOffset: 0 });
      else this.#unlink(subscription, name);
    }
  }

  snapshot(writer: StateWriter): void {
    writer.bool(this.keys !== undefined);
    if (this.keys !== undefined) writer.bytes(this.keys.privateKey).bytes(this.keys.tokenSecret);
    writer.list(this.#byId.values(), (subscription) => {
      writeConfig(writer, subscription.config);
      writeWake(writer, subscription.wake);
      writeLinks(writer, subscription.links.values());
    });
  }

  restore(reader: StateReader): void {
    if (reader.bool()) this.keys = { privateKey: reader.bytes(), tokenSecret: reader.bytes() };
    reader.list(() => {
      const subscription = new StreamSubscription(readConfig(reader));
      subscription.wake = readWake(reader);
      this.#byId.set(subscription.id, subscription);
      for (const link of readLinks(reader)) this.#link(subscription, link);
    });
  }

  #link(subscription: StreamSubscription, link: StreamLink): void {
    subscription.links.set(link.name, link);
    let linked = this.#byName.get(link.name);
    if (linked === undefined) {
      linked = new Set();
      this.#byName.set(link.name, linked);
    }
    linked.add(subscription);
  }

  #unlink(subscription: StreamSubscription, name: string): void {
    subscription.links.delete(name);
    const linked = this.#byName.get(name);
    linked?.delete(subscription);
    if (linked?.size === 0) this.#byName.delete(name);
  }

  #known(id: string): StreamSubscription {
    const subscription = this.#byId.get(id);
    if (subscription !== undefined) return subscription;
    throw new MillraceError('STORE_CORRUPT', `A state of subscriptions names ${id}, which is not there.`);
  }
}
