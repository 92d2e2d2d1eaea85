/**
 * `pnpm bench --editor [--json]`: what a person feels of the editor while nano runs in a worker, in a headless Chromium:
 * masks a second under a pointer that moves, and the page's longest task at each thing that is done, with a picture as it is
 * and one of 10 megapixels. Machines are shared, and whoever else computes makes tasks longer: each number is the best of
 * several walks. With a task over 50 ms in the best of them, or fewer than 10 masks a second, the exit code is 1.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { root } from "../host.mjs";
import { addressOf, bundled, inPage } from "./browser.ts";
import { modelFiles } from "./model-files.ts";
import { columns, type EditorReport, type EditorRun } from "./report.ts";

const WALKS = 2;
/** W3C's Long Tasks: what a person may feel. */
const LONG = 50;
const MASKS = 10;
const scales = [1, 5] as const;

/** Walks through the editor. Throws where there is no Chromium. */
export async function benchEditor(): Promise<readonly EditorReport[]> {
  const clip = join(root, "examples", "clip");
  const frames = readdirSync(clip)
    .filter((name) => name.endsWith(".jpg"))
    .slice(0, 5);
  const nano = modelFiles("nano");
  const files = {
    "/page.js": await bundled("editor-page.ts"),
    "/worker.js": await bundled("editor-worker.ts"),
    "/scene.png": readFileSync(join(root, "examples", "scene.png")),
    ...Object.fromEntries(frames.map((name) => [`/${name}`, readFileSync(join(clip, name))])),
  };
  return inPage(files, [nano], async (browser, address) => {
    const reports: EditorReport[] = [];
    for (const scale of scales) {
      const job = {
        checkpoint: addressOf(nano.checkpoint),
        config: nano.config && addressOf(nano.config),
        picture: "/scene.png",
        frames: frames.map((name) => `/${name}`),
        scale,
      };
      const runs: EditorRun[] = [];
      for (let i = 0; i < WALKS; i++) {
        process.stderr.write(`bench: editor, ${scale} times as wide, walk ${i + 1} of ${WALKS}\n`);
        const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
        await page.goto(address);
        runs.push(await page.evaluate<EditorRun>(`bench.run(${JSON.stringify(job)})`));
        await page.close();
      }
      reports.push({ scale, ...best(runs) });
    }
    return reports;
  });
}

/** Of each thing the walk where it was quickest. */
function best(runs: readonly EditorRun[]): EditorRun {
  const [first, ...others] = runs;
  if (first === undefined) throw new Error("bench: no walk through the editor");
  return {
    rate: Math.max(...runs.map(({ rate }) => rate)),
    tasks: first.tasks.map(({ name, longest }, i) => ({
      name,
      longest: Math.min(longest, ...others.map(({ tasks }) => tasks[i]?.longest ?? longest)),
    })),
  };
}

/** What is not as it must be, in words. */
export function editorProblems(reports: readonly EditorReport[]): readonly string[] {
  return reports.flatMap(({ scale, rate, tasks }) => [
    ...(rate < MASKS ? [`${scale}x: ${rate.toFixed(1)} masks a second under the pointer, wanted ${MASKS}`] : []),
    ...tasks
      .filter(({ longest }) => longest > LONG)
      .map(
        ({ name, longest }) => `${scale}x: a task of ${Math.round(longest)} ms at "${name}", at most ${LONG} wanted`,
      ),
  ]);
}

/** A table: what is done, and the longest task at it for each picture. */
export function printEditor(reports: readonly EditorReport[]): void {
  const names = reports[0]?.tasks.map(({ name }) => name) ?? [];
  const told = (longest: number | undefined): string =>
    longest === undefined || longest === 0 ? `under ${LONG} ms` : `${Math.round(longest)} ms`;
  console.log("\nThe editor while nano runs in a worker: masks a second, and the page's longest tasks");
  console.log(
    columns([
      ["", ...reports.map(({ scale }) => (scale === 1 ? "as it is" : `${scale} times as wide and high`))],
      ["hovered masks a second", ...reports.map(({ rate }) => rate.toFixed(1))],
      ...names.map((name, i) => [name, ...reports.map(({ tasks }) => told(tasks[i]?.longest))]),
    ]),
  );
  for (const problem of editorProblems(reports)) console.log(`  ${problem}`);
}
