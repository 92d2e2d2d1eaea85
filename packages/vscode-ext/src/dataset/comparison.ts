/** The page of a comparison: what differs, each picture with both sides, and a report. */
import type { LabelledImage } from "@masklet/labels";
import { commands, type ExtensionContext, l10n, ViewColumn, window, workspace } from "vscode";
import { messageOf } from "../errors.ts";
import { pageHtml } from "../image/page.ts";
import { compareImage, comparisonReport, type ImageComparison, isDifferent, reportMarkdown } from "./compare.ts";
import type { OpenDataset } from "./dataset.ts";
import type { DatasetIndex } from "./index.ts";
import { overlayOf } from "./overlay.ts";
import type { ComparisonMessage, FromComparison, SidesMessage } from "./pages.ts";
import { comparisonWords } from "./words.ts";

/** Pictures that the page lists; the report has all. */
const mostListed = 2000;

export interface Compared {
  readonly before: DatasetIndex;
  readonly name: string;
  readonly dataset: OpenDataset;
}

/** Compares all pictures of both, by what they are called. */
export async function compareIndexes(
  before: DatasetIndex,
  after: DatasetIndex,
  signal: AbortSignal,
): Promise<readonly ImageComparison[]> {
  const namesOf = (index: DatasetIndex): ReadonlyMap<string, string> =>
    new Map(index.entries.flatMap(({ path, named }) => (named === undefined ? [] : [[path, path] as const])));
  const [old, now] = [namesOf(before), namesOf(after)];
  const all: ImageComparison[] = [];
  for (const path of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    signal.throwIfAborted();
    const sides = [old.has(path) ? before : undefined, now.has(path) ? after : undefined];
    const [was, is] = [await sides[0]?.image(path, signal), await sides[1]?.image(path, signal)];
    const one = compareImage(path, was, is);
    // Of what has not changed the numbers are enough.
    all.push(isDifferent(one) ? one : { ...one, before: undefined, after: undefined });
  }
  return all;
}

/** Opens the page; resolves when everything is compared. */
export async function showComparison(
  context: ExtensionContext,
  { before, name, dataset }: Compared,
  signal: AbortSignal,
): Promise<void> {
  const all = await compareIndexes(before, dataset.index, signal);
  before.close();
  const report = comparisonReport(name, dataset.name, all);
  const different = all.filter(isDifferent);
  const panel = window.createWebviewPanel(
    "masklet.comparison",
    l10n.t("{0} and {1}", name, dataset.name),
    ViewColumn.Active,
    { enableScripts: true, localResourceRoots: [context.extensionUri] },
  );
  const { webview } = panel;
  const sidesOf = async (at: number, side: number): Promise<SidesMessage> => {
    const one = different[at];
    const overlay = (image: LabelledImage | undefined): ReturnType<typeof overlayOf> =>
      overlayOf(image, undefined, side);
    const [was, is] = [overlay(one?.before), overlay(one?.after)];
    let bytes: ArrayBuffer | undefined;
    let problem: string | undefined;
    try {
      // What labels name may lead out of the folder.
      if (one !== undefined && dataset.index.entry(one.file)?.missing === false)
        bytes = (await workspace.fs.readFile(dataset.uri(one.file))).slice().buffer as ArrayBuffer;
    } catch (error) {
      problem = messageOf(error);
    }
    return { type: "sides", at, bytes, problem, size: is.size ?? was.size, before: was.objects, after: is.objects };
  };
  webview.onDidReceiveMessage(async (message: FromComparison) => {
    switch (message.type) {
      case "ready": {
        const { counts, images } = report;
        const shown: ComparisonMessage = {
          type: "comparison",
          before: name,
          after: dataset.name,
          counts,
          images: images.slice(0, mostListed),
          more: Math.max(0, images.length - mostListed),
          words: comparisonWords(),
        };
        await webview.postMessage(shown);
        return;
      }
      case "sides":
        await webview.postMessage(await sidesOf(message.at, message.side));
        return;
      case "open": {
        const one = different[message.at];
        if (one !== undefined && dataset.index.entry(one.file)?.missing === false)
          await commands.executeCommand("masklet.open", dataset.uri(one.file));
        return;
      }
      case "report": {
        const isMarkdown = message.format === "markdown";
        const content = isMarkdown ? reportMarkdown(report) : `${JSON.stringify(report, undefined, 2)}\n`;
        const document = await workspace.openTextDocument({ language: isMarkdown ? "markdown" : "json", content });
        await window.showTextDocument(document);
        return;
      }
    }
  });
  webview.html = pageHtml(webview, context.extensionUri, "comparison");
}
