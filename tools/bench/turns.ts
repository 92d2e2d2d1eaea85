/** How work is timed: warm, and in turns, so that what else the machine does meets all of it. */

export const RUNS = 5;

export type Run = () => unknown;

/** Milliseconds of runs that were warmed up before. */
export async function inTurns<const R extends readonly Run[]>(runs: R): Promise<{ [K in keyof R]: readonly number[] }> {
  const measured = runs.map((): number[] => []);
  for (let i = 0; i < RUNS; i++) {
    for (const [k, run] of runs.entries()) {
      const started = performance.now();
      await run();
      measured[k]?.push(performance.now() - started);
    }
  }
  return measured as { [K in keyof R]: readonly number[] };
}

export function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1] as number;
}
