/** Origins whose pages may call over HTTP and WebSockets, put together from what `--cors` says. */
import { MillraceError } from '../base/errors.ts';

/**
 * @param text `ORIGIN[,...]` as browsers send them, `https://app.example` or `http://127.0.0.1:8080`; or `*` for all pages.
 * @throws MillraceError CONFIG_INVALID for what no browser would send: it would allow nobody.
 */
export function parseCorsOrigins(text: string): readonly string[] {
  const origins = text.split(',').map((part) => part.trim());
  for (const origin of origins) {
    if (origin === '*' || (URL.canParse(origin) && new URL(origin).origin === origin)) continue;
    throw new MillraceError(
      'CONFIG_INVALID',
      `--cors: \`${origin}\` is no origin; write https://app.example, with a port where it has one and no path, or *.`,
      { details: { setting: '--cors', value: origin } },
    );
  }
  return origins;
}
