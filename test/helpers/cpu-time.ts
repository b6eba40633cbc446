/** Milliseconds of processor time that this process takes for a call, whatever else the machine does. */
export function cpuTime(call: () => void): number {
  const start = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
