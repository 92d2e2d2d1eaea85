/**
 * The built site in a headless Chromium, from being opened to a mask of the first page's editor: in a profile that has never
 * been there, and on the visit after that, when the site is kept. Nano computes on the CPU. Without a built site
 * (`npm run docs`) there is nothing to measure. Machines are shared, and whoever else computes makes visits longer: each number
 * is the best of the rounds.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Browser, type BrowserContext, chromium as playwright } from "playwright";
import { chromium, root } from "../host.mjs";
import { preview } from "../site-preview.ts";
import { columns } from "./report.ts";

/** Milliseconds since the page was opened. */
export interface SiteVisit {
  readonly name: "first visit" | "second visit";
  /** The model knows the picture. */
  readonly ready: number;
  /** The mask of a click is there. */
  readonly mask: number;
  /** The page's longest task until then, and since the model has the picture; 0 for none over 50 ms. */
  readonly longest: number;
  readonly longestComputing: number;
  /** What `mask` is to stay under. */
  readonly mark: number;
}

type Times = Omit<SiteVisit, "name" | "mark">;

const marks = { "first visit": 3000, "second visit": 1500 } as const;

/** Throws where there is no Chromium; `undefined` where the site is not built. */
export async function benchSite(rounds: number): Promise<readonly SiteVisit[] | undefined> {
  const folder = join(root, "apps", "docs", "dist");
  if (!existsSync(join(folder, "index.html"))) return undefined;
  const executablePath = chromium();
  if (executablePath === undefined) throw new Error("there is no Chromium on this machine (set CHROMIUM to one)");
  const site = await preview(folder, "");
  let browser: Browser | undefined;
  try {
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await playwright.launch({ executablePath, args });
    const found = { "first visit": [] as Times[], "second visit": [] as Times[] };
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`bench: the site, round ${round + 1}\n`);
      const context = await browser.newContext();
      await context.addInitScript(watch);
      found["first visit"].push(await visit(context, site.origin, true));
      found["second visit"].push(await visit(context, site.origin, false));
      await context.close();
    }
    return (["first visit", "second visit"] as const).map((name) => {
      const at = (key: keyof Times): number => Math.min(...found[name].map((times) => times[key]));
      const longest = { longest: at("longest"), longestComputing: at("longestComputing") };
      return { name, ready: at("ready"), mask: at("mask"), ...longest, mark: marks[name] };
    });
  } finally {
    await browser?.close();
    await site.close();
  }
}

/** Before the page's own scripts. */
const watch = `
  globalThis.watched = { tasks: [], encoding: Infinity };
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) watched.tasks.push({ startTime, duration });
  }).observe({ type: "longtask", buffered: true });
  addEventListener("masklet-engine", ({ detail }) => {
    if (detail.state === "encoding") watched.encoding = Math.min(watched.encoding, performance.now());
  }, true);`;

const firstMask = `(async () => {
  const painted = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const editor = document.querySelector("masklet-editor");
  while (editor.engineState !== "ready") await painted();
  const ready = performance.now();
  editor.session.select(null);
  await editor.session.addPoint([130, 121]);
  await painted();
  const mask = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 100)); // entries come late
  const longest = (since) =>
    watched.tasks.filter(({ startTime }) => startTime >= since && startTime < mask)
      .reduce((most, { duration }) => Math.max(most, duration), 0);
  return { ready, mask, longest: longest(0), longestComputing: longest(watched.encoding) };
})()`;

/** Whether the service worker has the site and the model's runtime. */
const isKept = `(async () => {
  if (navigator.serviceWorker.controller?.state !== "activated") return false;
  const names = (await caches.keys()).filter((name) => name.startsWith("masklet-site"));
  const kept = await Promise.all(names.map(async (name) => (await caches.open(name)).keys()));
  return kept.flat().some(({ url }) => url.endsWith(".wasm"));
})()`;

async function visit(context: BrowserContext, origin: string, isFirst: boolean): Promise<Times> {
  const page = await context.newPage();
  await page.goto(`${origin}/`);
  const times = await page.evaluate<Times>(firstMask);
  // The second visit comes once the first has been kept.
  for (let i = 0; isFirst && !(await page.evaluate(isKept)); i++) {
    if (i === 300) throw new Error("the site was not kept after 30 s");
    await page.waitForTimeout(100);
  }
  await page.close();
  return times;
}

export const siteProblems = (visits: readonly SiteVisit[]): readonly string[] =>
  visits
    .filter(({ mask, mark }) => mask >= mark)
    .map(({ name, mask, mark }) => `${name}: the first mask after ${Math.round(mask)} ms, wanted under ${mark}`);

export function printSite(visits: readonly SiteVisit[] | undefined): void {
  if (visits === undefined) {
    console.log("  the site: not measured, build it first (npm run docs)");
    return;
  }
  const told = (longest: number): string => (longest === 0 ? "under 50 ms" : `${Math.round(longest)} ms`);
  const header = ["  the site's first page", "ready", "mask", "mark", "longest task", "while nano computes"];
  console.log(
    columns([
      header,
      ...visits.map(({ name, ready, mask, mark, longest, longestComputing }) => [
        `  ${name}`,
        ready.toFixed(0),
        mask.toFixed(0),
        String(mark),
        told(longest),
        told(longestComputing),
      ]),
    ]),
  );
  for (const problem of siteProblems(visits)) console.log(`  ${problem}`);
}
