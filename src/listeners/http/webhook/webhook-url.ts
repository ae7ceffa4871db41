/**
 * Which addresses the broker may call because a user of its API said so (server-side request forgery): https anywhere that
 * is public, http on this machine alone. Names are judged again when they are resolved (`send-webhook.ts`): a public name
 * may point to a private address.
 */
import { BlockList, isIP } from 'node:net';
import { MillraceError } from '../../../base/errors.ts';

const MAX_WEBHOOK_URL_LENGTH = 2_000;

/** Loopback, private, link-local (cloud metadata too), carrier-grade NAT, multicast, documentation, reserved. */
const FORBIDDEN_V4: readonly (readonly [address: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
/** The same for IPv6, and what carries an IPv4 address inside (mapped, translated, 6to4, Teredo). */
const FORBIDDEN_V6: readonly (readonly [address: string, prefix: number])[] = [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

// Two lists: node takes an IPv4 address for the mapped IPv6 one where a list has both.
const forbiddenV4 = new BlockList();
for (const [address, prefix] of FORBIDDEN_V4) forbiddenV4.addSubnet(address, prefix, 'ipv4');
const forbiddenV6 = new BlockList();
for (const [address, prefix] of FORBIDDEN_V6) forbiddenV6.addSubnet(address, prefix, 'ipv6');
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');

export interface WebhookTarget {
  readonly url: URL;
  /** http on this machine, for development: then the address must be a loopback one, else it must be a public one. */
  readonly isLocal: boolean;
}

/** @throws HTTP_WEBHOOK_URL_REJECTED saying why. */
export function parseWebhookUrl(text: string): WebhookTarget {
  if (text.length > MAX_WEBHOOK_URL_LENGTH) throw rejected(`it is longer than ${MAX_WEBHOOK_URL_LENGTH} characters`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw rejected('it is no absolute URL');
  if (url.username !== '' || url.password !== '') throw rejected('it carries a user name or password');
  const host = hostOf(url);
  const isLocal = host === 'localhost' || (isIP(host) === 4 && isAllowedAddress(host, true));
  switch (url.protocol) {
    case 'http:':
      if (isLocal) return { url, isLocal };
      throw rejected('http is for localhost and 127.0.0.0/8 alone; use https');
    case 'https:':
      if (isLocal) throw rejected('a webhook on this machine uses http');
      if (host.endsWith('.localhost')) throw rejected('it names this machine');
      if (isIP(host) !== 0 && !isAllowedAddress(host, false)) throw rejected('it names a private or reserved address');
      return { url, isLocal };
    default:
      throw rejected(`scheme ${url.protocol} is not called; use https`);
  }
}

/** @param address as it was resolved. */
export function isAllowedAddress(address: string, isLocal: boolean): boolean {
  switch (isIP(address)) {
    case 4:
      return isLocal ? loopback.check(address, 'ipv4') : !forbiddenV4.check(address, 'ipv4');
    case 6:
      return isLocal ? address === '::1' : !forbiddenV6.check(address, 'ipv6');
    default:
      return false;
  }
}

function hostOf({ hostname }: URL): string {
  const host = hostname.toLowerCase();
  return host.startsWith('[') ? host.slice(1, -1) : host.replace(/\.$/, '');
}

function rejected(why: string): MillraceError {
  return new MillraceError('HTTP_WEBHOOK_URL_REJECTED', `The webhook URL is refused: ${why}.`);
}
