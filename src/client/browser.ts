/** `millrace` in browsers: the same API with the back ends that need nothing of Node.js. */
import { openHttp } from './backends/http/backend.ts';
import { HTTP_FORM } from './backends/http/form.ts';
import { MEMORY_FORM, openMemory } from './backends/memory/backend.ts';
import { createConnect, type Schemes } from './connect.ts';

export * from './public.ts';

export const SCHEMES: Schemes = {
  http: { form: HTTP_FORM, load: async () => openHttp },
  https: { form: HTTP_FORM, load: async () => openHttp },
  memory: { form: MEMORY_FORM, load: async () => openMemory },
};

/** Connects to the back end that the URI names. @throws MillraceError CLIENT_URI_INVALID, CLIENT_NETWORK, CLIENT_ABORTED. */
export const connect = createConnect(SCHEMES);
