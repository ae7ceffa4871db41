/** URI schemes to back ends. Each back end, with the library under it, is loaded when a URI asks for it. */
import { MEMORY_FORM, openMemory } from './backends/memory/backend.ts';
import type { Schemes } from './connect.ts';

export const SCHEMES: Schemes = {
  memory: { form: MEMORY_FORM, load: async () => openMemory },
};
