/** Address of a worker's entry module beside the calling one: `.ts` in the sources, `.js` in a published build. */
export function workerModule(callerUrl: string, name: string): URL {
  const ending = callerUrl.endsWith('.ts') ? '.ts' : '.js';
  return new URL(`${name}${ending}`, callerUrl);
}
