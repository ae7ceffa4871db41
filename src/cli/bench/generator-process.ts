/**
 * A load generator in a process of its own, so that it uses another core than the broker and the caller.
 *
 * Messages: parent to child one `BenchPlan`; child to parent `phase`, `progress`, then `result` or `error`, after which
 * it ends. When the parent goes away the child ends at once.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ErrorCode, type ErrorDetails, MillraceError } from '../../base/errors.ts';
import type { BenchPlan } from './plan.ts';
import type { Phase, ScenarioEvents, ScenarioResult } from './scenario.ts';

export type GeneratorMessage =
  | { readonly type: 'phase'; readonly phase: Phase }
  | { readonly type: 'progress'; readonly records: number; readonly bytes: number }
  | { readonly type: 'result'; readonly result: ScenarioResult }
  | { readonly type: 'error'; readonly code: ErrorCode; readonly message: string; readonly details: ErrorDetails };

export interface Generator {
  readonly result: Promise<ScenarioResult>;
  /** Ends it without a result. */
  kill(): void;
}

/** Sources run as .ts, builds as .js: the entry has the extension of this file. */
const ENTRY = fileURLToPath(new URL(`./generator-main${import.meta.url.slice(-3)}`, import.meta.url));

export function startGenerator(plan: BenchPlan, events: ScenarioEvents): Generator {
  const child = fork(ENTRY, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  child.send(plan);
  return { result: outcome(child, events), kill: () => child.kill('SIGKILL') };
}

function outcome(child: ChildProcess, events: ScenarioEvents): Promise<ScenarioResult> {
  return new Promise((resolve, reject) => {
    child.on('message', (message: GeneratorMessage) => {
      if (message.type === 'phase') events.onPhase(message.phase);
      else if (message.type === 'progress') events.onProgress(message.records, message.bytes);
      else if (message.type === 'result') resolve(message.result);
      else reject(new MillraceError(message.code, message.message, { details: message.details }));
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      reject(new MillraceError('INTERNAL', `A load generator ended early (${signal ?? `exit code ${code}`}).`));
    });
  });
}
