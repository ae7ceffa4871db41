/**
 * How busy the event loop of this thread is: 0 idle to 1.
 *
 * @returns a function that tells the share of the time since its last call (or since now) in which the loop did not wait.
 */
export function eventLoopLoad(): () => number {
  let last = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    return utilization;
  };
}
