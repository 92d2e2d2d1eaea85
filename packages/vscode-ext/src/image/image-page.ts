/** One page of a document: what it shows, and what a person chooses for it. */
import type { Step } from "@masklet/editor";
import { l10n, Uri, type WebviewPanel, window, workspace } from "vscode";
import { nameOf } from "../labels/find.ts";
import type { ShowMessage, ToPage } from "../protocol.ts";
import type { ImageDocument } from "./document.ts";
import { describeLabels } from "./status.ts";
import { pageWords } from "./words.ts";

export interface ImagePage {
  readonly document: ImageDocument;
  readonly panel: WebviewPanel;
  post(message: ToPage): void;
  zoom: string;
  pixel: string;
  hidden: readonly string[];
  isDecoded: boolean;
}

/** Everything that the page needs to show its document; `isWorker`: the model runs in the page. */
export function showMessage({ document, panel }: ImagePage, extension: Uri, isWorker: boolean): ShowMessage {
  const { webview } = panel;
  const at = (name: string): string => webview.asWebviewUri(Uri.joinPath(extension, "engine", name)).toString();
  return {
    type: "show",
    name: nameOf(document.uri),
    // Another address for another version, so that none of it comes from a cache.
    src: webview
      .asWebviewUri(document.uri)
      .with({ query: `version=${encodeURIComponent(document.key.split("@").at(-1) ?? "")}` })
      .toString(),
    key: document.key,
    bytes: document.bytes,
    document: document.document,
    readOnly: document.readOnly,
    labels: describeLabels(document),
    engine: isWorker ? "worker" : "process",
    worker: isWorker
      ? {
          script: at("worker.js"),
          wasm: at("ort-wasm-simd-threaded.wasm"),
          checkpoint: at("nano.safetensors"),
          config: at("nano.json"),
        }
      : undefined,
    missing: document.missing,
    words: pageWords(),
    translation: l10n.bundle,
  };
}

export async function chooseZoom(page: ImagePage): Promise<void> {
  const fit = l10n.t("Whole picture");
  const chosen = await window.showQuickPick([
    fit,
    "6400 %",
    "1600 %",
    "800 %",
    "400 %",
    "200 %",
    "100 %",
    "50 %",
    "25 %",
    "10 %",
  ]);
  if (chosen === undefined) return;
  page.post({ type: "zoom", zoom: chosen === fit ? "fit" : Number.parseInt(chosen, 10) / 100 });
}

export async function chooseLabels({ document }: ImagePage): Promise<void> {
  const all = [...(document.labels === undefined ? [] : [document.labels]), ...document.otherLabels];
  if (all.length === 0) {
    await window.showInformationMessage(l10n.t("No labels of this picture were found. Saving makes some."));
    return;
  }
  const items = all.map((found) => ({
    label: workspace.asRelativePath(found.uri),
    description: found === document.labels ? l10n.t("{0}, shown", found.format) : found.format,
    found,
  }));
  const chosen = await window.showQuickPick(items, { title: l10n.t("Labels of this picture") });
  if (chosen !== undefined && chosen.found !== document.labels) await document.choose(chosen.found);
}

export async function filterClasses(page: ImagePage): Promise<void> {
  const items = page.document.classes.map((label) => ({ label, picked: !page.hidden.includes(label) }));
  const chosen = await window.showQuickPick(items, {
    canPickMany: true as const,
    title: l10n.t("Classes that are shown"),
  });
  if (chosen === undefined) return;
  const wanted = new Set(chosen.map(({ label }) => label));
  page.hidden = page.document.classes.filter((name) => !wanted.has(name));
  page.post({ type: "filter", hidden: page.hidden });
}

/** -> the step that was made, where one was */
export async function newClass({ document }: ImagePage): Promise<Step | undefined> {
  const name = (await window.showInputBox({ prompt: l10n.t("Name of the class") }))?.trim();
  return name === undefined || name === "" ? undefined : document.addClass(name);
}
