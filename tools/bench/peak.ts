/** Anonymous memory of this process, which Linux tells. */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";

export const anonymous = (): number =>
  1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

/** The highest number of bytes while `work` runs, over those before. */
export async function peakOf(work: () => Promise<void>): Promise<number> {
  const highest = new Float64Array(new SharedArrayBuffer(8));
  const watch = `
    const { readFileSync } = require("node:fs");
    const { parentPort, workerData } = require("node:worker_threads");
    const sample = () => {
      const bytes = 1024 * Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
      workerData[0] = Math.max(workerData[0], bytes);
    };
    parentPort.postMessage("ready");
    setInterval(sample, 2);`;
  const worker = new Worker(watch, { eval: true, workerData: highest });
  await new Promise((resolve) => worker.once("message", resolve));
  const before = anonymous();
  await work();
  await worker.terminate();
  return (highest[0] as number) - before;
}
