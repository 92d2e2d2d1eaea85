/** The command that imports tracks: what it asks, and what it says. */
import { type Dataset, filesOf, readLabels } from "@masklet/labels";
import { l10n, Uri, window, workspace } from "vscode";
import { ExtensionError } from "../errors.ts";
import { folderOf, nameOf } from "../labels/find.ts";
import type { VideoDocument } from "./document.ts";
import { isFolder } from "./frames.ts";
import { importTracks } from "./import.ts";

/** Asks for the labels. -> the step that adds them, which is not taken yet; `undefined` where a person thought better of it */
export async function askAndImport(video: VideoDocument): Promise<ReturnType<typeof importTracks>["step"] | undefined> {
  if (video.readOnly !== undefined) throw new ExtensionError("labels-read-only", video.readOnly);
  const folder = l10n.t("DAVIS: the folder of this video's masks");
  const file = l10n.t("A file: SA-V, COCO with track ids, or CVAT for videos");
  const kind = await window.showQuickPick([folder, file], { title: l10n.t("Tracks to import") });
  if (kind === undefined) return undefined;
  const [chosen] =
    (await window.showOpenDialog({
      canSelectFiles: kind === file,
      canSelectFolders: kind === folder,
      defaultUri: folderOf(video.uri),
      openLabel: l10n.t("Import"),
      title: kind,
    })) ?? [];
  if (chosen === undefined) return undefined;
  const dataset = await read(chosen);
  const { document, names, uri } = video;
  if (document === undefined) throw new ExtensionError("labels-read-only", l10n.t("The video is not open yet."));
  const { step, left } = importTracks(document, dataset, { video: nameOf(uri).replace(/\.[^.]+$/, ""), names });
  const counted = l10n.t("{0} objects were imported.", step.count);
  const lost =
    left === 0
      ? []
      : [l10n.t("{0} masks were left out: they have no track, no area, or no frame in this video.", left)];
  void window.showInformationMessage([counted, ...lost].join(" "));
  return step;
}

/** A file of any format, or a folder of masks as DAVIS has them. */
async function read(uri: Uri): Promise<Dataset> {
  const bytes = async (path: Uri): Promise<Uint8Array> => workspace.fs.readFile(path);
  if (!(await isFolder(uri))) return (await readLabels(filesOf({ [nameOf(uri)]: await bytes(uri) }))).dataset;
  const names = (await workspace.fs.readDirectory(uri)).map(([name]) => name).filter((name) => /^\d+\.png$/.test(name));
  const contents: Record<string, Uint8Array> = {};
  for (const name of names) contents[`Annotations/${nameOf(uri)}/${name}`] = await bytes(Uri.joinPath(uri, name));
  return (await readLabels(filesOf(contents), { format: "davis" })).dataset;
}
