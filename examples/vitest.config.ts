// For sdk-fixture.vitest.ts. Programs of their own have their tests where vitest looks by itself.
import { defineConfig } from 'vitest/config';

export default defineConfig({ test: { include: ['*.vitest.ts'], cache: false } });
