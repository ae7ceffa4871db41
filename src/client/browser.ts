/** `millrace` in browsers: the same API with the back ends that need nothing of Node.js. */
import { MEMORY_FORM, openMemory } from './backends/memory/backend.ts';
import { createConnect, type Schemes } from './connect.ts';

export * from './public.ts';

export const SCHEMES: Schemes = {
  memory: { form: MEMORY_FORM, load: async () => openMemory },
};

/** Connects to the back end that the URI names. @throws MillraceError CLIENT_URI_INVALID, CLIENT_NETWORK, CLIENT_ABORTED. */
export const connect = createConnect(SCHEMES);
