/** URI schemes to back ends. Each back end, with the library under it, is loaded when a URI asks for it. */
import { FILE_FORM } from './backends/file/form.ts';
import { KAFKA_FORM } from './backends/kafka/library.ts';
import { MEMORY_FORM, openMemory } from './backends/memory/backend.ts';
import type { Scheme, Schemes } from './connect.ts';

const KAFKA: Scheme = {
  form: KAFKA_FORM,
  load: async () => (await import('./backends/kafka/backend.ts')).openKafka,
};

export const SCHEMES: Schemes = {
  kafka: KAFKA,
  millrace: KAFKA,
  file: { form: FILE_FORM, load: async () => (await import('./backends/file/backend.ts')).openFile },
  memory: { form: MEMORY_FORM, load: async () => openMemory },
};
