/** The peers by name. */
import { nats } from './nats.ts';
import type { Peer, PeerName } from './peer.ts';
import { rabbitmq } from './rabbitmq.ts';
import { redis } from './redis.ts';

export const PEERS: Readonly<Record<PeerName, Peer>> = { redis, nats, rabbitmq };
