/** The memory of a page that tracks an object, as Linux tells it of Chromium's processes for pages. */
import { readFileSync } from "node:fs";
import { presets } from "@masklet/core";
import type { Browser } from "playwright";
import { addressOf, bundled, inPage } from "./browser.ts";
import { modelFiles } from "./model-files.ts";
import type { MemoryUse, PageJob } from "./report.ts";

const MARK = 0.3e9;

/**
 * Peaks of anonymous and shared resident bytes over those of the empty page: with the runtime's code, and what the
 * browser takes to compile it better while it runs; and when that is over.
 */
export async function memoryInPage(threads: number): Promise<readonly MemoryUse[]> {
  const files = modelFiles("edgetam");
  const preset = presets.edgetam.name as PageJob["preset"];
  const checkpoint = addressOf(files.checkpoint);
  const job: PageJob = { backend: "ort", device: "wasm", threads, checkpoint, config: undefined, preset };
  return inPage({ "/page.js": await bundled("page.ts") }, [files], async (browser, address) => {
    const page = await browser.newPage();
    await page.goto(address);
    const processes = await rendererProcesses(browser);
    const held = (): number => processes.reduce((sum, pid) => sum + unmapped(pid), 0);
    const before = held();
    let peak = 0;
    const sampling = setInterval(() => {
      peak = Math.max(peak, held() - before);
    }, 5);
    try {
      await page.evaluate(`bench.startTracking(${JSON.stringify(job)})`);
      await page.evaluate("bench.trackFrames()");
      const whole = peak;
      peak = 0;
      await page.evaluate("bench.trackFrames()");
      return [
        { name: "loading edgetam in a page and tracking an object, peak", bytes: Math.max(whole, peak), mark: MARK },
        { name: "tracking on once the object's memory is full, peak", bytes: peak, mark: MARK },
      ];
    } finally {
      clearInterval(sampling);
    }
  });
}

async function rendererProcesses(browser: Browser): Promise<readonly number[]> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

/** Resident bytes that are no file's; 0 of a process that has ended. */
function unmapped(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return ["RssAnon", "RssShmem"].reduce(
      (sum, kind) => sum + 1024 * Number(new RegExp(`${kind}:\\s+(\\d+)`).exec(status)?.[1]),
      0,
    );
  } catch {
    return 0;
  }
}
