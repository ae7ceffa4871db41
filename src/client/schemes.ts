/** URI schemes to back ends. Each back end, with the library under it, is loaded when a URI asks for it. */
import { FILE_FORM } from './backends/file/form.ts';
import { HTTP_FORM } from './backends/http/form.ts';
import { KAFKA_FORM } from './backends/kafka/library.ts';
import { MEMORY_FORM, openMemory } from './backends/memory/backend.ts';
import { REDIS_FORM } from './backends/redis/library.ts';
import { STDIO_FORM } from './backends/stdio/form.ts';
import type { Scheme, Schemes } from './connect.ts';

const KAFKA: Scheme = { form: KAFKA_FORM, load: async () => (await import('./backends/kafka/backend.ts')).openKafka };
const REDIS: Scheme = { form: REDIS_FORM, load: async () => (await import('./backends/redis/backend.ts')).openRedis };
const HTTP: Scheme = { form: HTTP_FORM, load: async () => (await import('./backends/http/backend.ts')).openHttp };

export const SCHEMES: Schemes = {
  kafka: KAFKA,
  millrace: KAFKA,
  redis: REDIS,
  rediss: REDIS,
  http: HTTP,
  https: HTTP,
  file: { form: FILE_FORM, load: async () => (await import('./backends/file/backend.ts')).openFile },
  stdio: { form: STDIO_FORM, load: async () => (await import('./backends/stdio/backend.ts')).openStdio },
  memory: { form: MEMORY_FORM, load: async () => openMemory },
};
