/** Entry of a generator process: see `generator-process.ts` for the messages. */
import { asMillraceError } from '../../base/errors.ts';
import type { GeneratorMessage } from './generator-process.ts';
import type { BenchPlan } from './plan.ts';
import { runScenario } from './scenario.ts';

function tell(message: GeneratorMessage): Promise<void> {
  return new Promise((resolve) => process.send?.(message, undefined, {}, () => resolve()));
}

process.once('disconnect', () => process.exit(1));
process.once('message', (plan: BenchPlan) => void run(plan));

async function run(plan: BenchPlan): Promise<void> {
  try {
    const result = await runScenario(plan, {
      onPhase: (phase) => void tell({ type: 'phase', phase }),
      onProgress: (records, bytes) => void tell({ type: 'progress', records, bytes }),
    });
    await tell({ type: 'result', result });
  } catch (error) {
    const { code, message, details } = asMillraceError(error);
    await tell({ type: 'error', code, message, details });
  }
  process.exit(0);
}
