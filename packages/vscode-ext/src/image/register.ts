/** Pictures in VS Code: their editor, its engine and its commands. */
import {
  commands,
  type Disposable,
  type ExtensionContext,
  type LogOutputChannel,
  type Uri,
  window,
  workspace,
} from "vscode";
import type { Place } from "../activate.ts";
import type { EngineClient } from "../engine-client.ts";
import type { Segmenter } from "../tools.ts";
import { ImageEditors } from "./editors.ts";
import { chooseLabels, chooseZoom, filterClasses, type ImagePage } from "./image-page.ts";
import { chooseModel, engineOf } from "./models.ts";
import { viewType } from "./view-type.ts";

/** What pictures are shown with, for whoever else needs it. */
export interface ImageParts {
  readonly engine: EngineClient | undefined;
  readonly log: LogOutputChannel;
  /** Opens a picture and asks its page for an object. */
  readonly segment: Segmenter;
}

export function registerImages(context: ExtensionContext, place: Place): ImageParts {
  const log = window.createOutputChannel("Masklet", { log: true });
  const engine = place.spawn === undefined ? undefined : engineOf(place.spawn, log);
  const provider = new ImageEditors(context, place, engine, log);
  const onPage = (name: string, run: (page: ImagePage) => unknown): Disposable =>
    commands.registerCommand(`masklet.${name}`, () => provider.active && run(provider.active));
  context.subscriptions.push(
    log,
    provider,
    ...(engine === undefined ? [] : [engine]),
    window.registerCustomEditorProvider(viewType, provider, { supportsMultipleEditorsPerDocument: true }),
    commands.registerCommand("masklet.open", (uri?: Uri) => {
      const target = uri ?? activeFile();
      return target && commands.executeCommand("vscode.openWith", target, viewType);
    }),
    commands.registerCommand("masklet.useForImages", useForImages),
    commands.registerCommand("masklet.showLog", () => log.show()),
    commands.registerCommand("masklet.restartEngine", () => engine?.restart()),
    commands.registerCommand("masklet.chooseModel", () => chooseModel(engine)),
    onPage("copyImage", (page) => page.post({ type: "copy" })),
    onPage("segment", (page) => page.post({ type: "mode", mode: "toggle" })),
    onPage("zoom", chooseZoom),
    commands.registerCommand("masklet.nextImage", () => provider.move(1)),
    commands.registerCommand("masklet.previousImage", () => provider.move(-1)),
    onPage("chooseLabels", chooseLabels),
    onPage("filterClasses", filterClasses),
    onPage("newClass", (page) => provider.newClass(page)),
    workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("masklet.model") || event.affectsConfiguration("masklet.engine"))
        engine?.restart();
    }),
  );
  return { engine, log, segment: (image, input, token) => provider.requests.ask(image, input, token) };
}

function activeFile(): Uri | undefined {
  const input = window.tabGroups.activeTabGroup.activeTab?.input as { readonly uri?: Uri } | undefined;
  return input?.uri;
}

async function useForImages(): Promise<void> {
  const configuration = workspace.getConfiguration("workbench");
  const before = configuration.get<Record<string, string>>("editorAssociations", {});
  await configuration.update(
    "editorAssociations",
    { ...before, "*.{jpg,jpeg,jpe,jfif,png,webp,avif,bmp,gif,tif,tiff}": viewType },
    true,
  );
}
