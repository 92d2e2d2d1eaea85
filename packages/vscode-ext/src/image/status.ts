/** What the status bar says of the picture that is shown. */
import { type Disposable, l10n, StatusBarAlignment, type StatusBarItem, window, workspace } from "vscode";
import type { ImageDocument } from "./document.ts";

/** What a page shows of its document. */
export interface Shown {
  readonly document: ImageDocument;
  readonly zoom: string;
  readonly pixel: string;
}

export class ImageStatus implements Disposable {
  readonly #items: readonly StatusBarItem[];

  constructor() {
    const item = (id: string, priority: number, name: string, command?: string): StatusBarItem => {
      const made = window.createStatusBarItem(`masklet.${id}`, StatusBarAlignment.Right, priority);
      made.name = name;
      if (command !== undefined) made.command = command;
      return made;
    };
    this.#items = [
      item("pixel", 104, l10n.t("Pixel under the pointer")),
      item("size", 103, l10n.t("Size of the picture")),
      item("zoom", 102, l10n.t("Zoom"), "masklet.zoom"),
      item("labels", 101, l10n.t("Labels"), "masklet.chooseLabels"),
    ];
  }

  /** Says what the page shows; without one, nothing. */
  show(page: Shown | undefined): void {
    const [pixel, size, zoom, labels] = this.#items as [StatusBarItem, StatusBarItem, StatusBarItem, StatusBarItem];
    if (page === undefined) {
      for (const item of this.#items) item.hide();
      return;
    }
    const { document } = page;
    const { width, height } = document.document ?? { width: 0, height: 0 };
    pixel.text = page.pixel;
    size.text = width === 0 ? fileSize(document.bytes) : `${width}x${height}  ${fileSize(document.bytes)}`;
    zoom.text = page.zoom;
    labels.text = `$(symbol-misc) ${describeLabels(document)}`;
    labels.tooltip = [
      workspace.asRelativePath(document.labels?.uri ?? document.uri),
      document.readOnly,
      ...document.notes.slice(0, 5),
    ]
      .filter((line) => line !== undefined)
      .join("\n");
    for (const item of this.#items) {
      if (item.text === "") item.hide();
      else item.show();
    }
  }

  dispose(): void {
    for (const one of this.#items) one.dispose();
  }
}

/** How many objects there are, in which format, and whether they can be changed. */
export function describeLabels(document: ImageDocument): string {
  const count = document.document?.objects.length ?? 0;
  const format = document.labels?.format;
  const objects = count === 1 ? l10n.t("1 object") : l10n.t("{0} objects", count);
  const text = format === undefined ? objects : `${objects}, ${format}`;
  return document.readOnly === undefined ? text : l10n.t("{0}, read-only", text);
}

function fileSize(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} KB` : `${(bytes / 1e6).toFixed(2)} MB`;
}
