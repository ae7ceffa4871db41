/** `HOST:PORT`, as settings and options write it. */
import { MillraceError } from '../base/errors.ts';

/** Where somebody listens. */
export interface Address {
  /** Without brackets, also for IPv6. */
  readonly host: string;
  /** 0 lets the system choose a free one. */
  readonly port: number;
}

/** @param setting named in the message. @throws MillraceError CONFIG_INVALID. */
export function parseAddress(setting: string, text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new MillraceError(
    'CONFIG_INVALID',
    `${setting} must be HOST:PORT, for instance 127.0.0.1:9092 or [::1]:9092, not \`${text}\`.`,
    {
      details: { setting, value: text },
    },
  );
}

/** Letters, digits, `-` and `_`, as Kafka's listener names. */
const ENDPOINT = /^(?:([A-Za-z][A-Za-z0-9_-]*):\/\/)?(.+)$/;

export interface NamedAddress extends Address {
  /** Undefined where it was left out. */
  readonly name: string | undefined;
}

/**
 * `[NAME://]HOST:PORT[,...]`: one address or several.
 * @param setting named in the message. @throws MillraceError CONFIG_INVALID.
 */
export function parseAddresses(setting: string, text: string): NamedAddress[] {
  return text.split(',').map((part) => {
    const [, name, address = ''] = ENDPOINT.exec(part.trim()) ?? [];
    return { name: name?.toLowerCase(), ...parseAddress(setting, address) };
  });
}

export function formatAddress(address: Address): string {
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** Turns what listening threw into words that say which setting to change. */
export function listenError(setting: string, address: Address, error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  return new MillraceError(
    'CONFIG_INVALID',
    `${reasonOf(code, formatAddress(address), error)} Choose another address with ${setting} HOST:PORT.`,
    {
      details: { setting, address: formatAddress(address), system: code ?? null },
      cause: error,
    },
  );
}

function reasonOf(code: string | undefined, address: string, error: unknown): string {
  if (code === 'EADDRINUSE') return `${address} is in use by another program.`;
  if (code === 'EADDRNOTAVAIL') return `${address} is no address of this machine.`;
  if (code === 'EACCES') return `This user may not listen on ${address}.`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `The host name in ${address} is not known.`;
  return `Cannot listen on ${address}: ${(error as Error).message}.`;
}
