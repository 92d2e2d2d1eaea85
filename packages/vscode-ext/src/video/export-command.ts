/** The command that exports tracks: what it asks, and what it says. */
import { lossMeanings } from "@masklet/labels";
import { l10n, ProgressLocation, Uri, window, workspace } from "vscode";
import { folderOf, nameOf } from "../labels/find.ts";
import type { FileWriter } from "../storage.ts";
import type { VideoDocument } from "./document.ts";
import { exportTracks, needsClass, type TrackFormat } from "./export.ts";

/** Asks for what the format needs, says what it leaves out, and writes into a folder of the person's choice. */
export async function askAndExport(video: VideoDocument | undefined, writer: FileWriter): Promise<void> {
  const document = video?.document;
  if (video === undefined || document === undefined || document.objects.length === 0) {
    await window.showInformationMessage(l10n.t("There are no objects to export yet."));
    return;
  }
  const formats: Readonly<Record<TrackFormat, string>> = {
    davis: l10n.t("DAVIS: a palette PNG for each frame"),
    sav: l10n.t("SA-V: one JSON with run lengths, as the CLI's masklets.json"),
    coco: l10n.t("COCO: one JSON with track ids"),
    "cvat-video": l10n.t("CVAT for videos: one XML with tracks"),
  };
  const items = Object.entries(formats).map(([format, label]) => ({ label, format: format as TrackFormat }));
  const format = (await window.showQuickPick(items, { title: l10n.t("Format of the tracks") }))?.format;
  if (format === undefined) return;
  const accepted = document.objects.filter(({ state }) => state === "accepted").length;
  const all = l10n.t("All {0} objects", document.objects.length);
  const which =
    accepted === 0 || accepted === document.objects.length
      ? all
      : await window.showQuickPick([l10n.t("{0} accepted objects", accepted), all], {
          title: l10n.t("Objects to export"),
        });
  if (which === undefined) return;
  const nameless = document.objects.some(
    ({ class: name, state }) => name === null && (which === all || state === "accepted"),
  );
  const className =
    needsClass.has(format) && nameless
      ? (await window.showInputBox({ prompt: l10n.t("Class of objects that have none"), value: "object" }))?.trim()
      : "object";
  if (className === undefined || className === "") return;
  const [folder] =
    (await window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      defaultUri: folderOf(video.uri),
      openLabel: l10n.t("Export"),
      title: l10n.t("Folder to export to"),
    })) ?? [];
  if (folder === undefined) return;
  const { names, rate } = video;
  const options = { video: nameOf(video.uri).replace(/\.[^.]+$/, ""), names, rate, className, drafts: which === all };
  const { files, losses } = exportTracks(document, format, options);
  const there: string[] = [];
  for (const { path } of files) if (await isThere(Uri.joinPath(folder, path))) there.push(path);
  if (there.length > 0) {
    const replace = l10n.t("Replace");
    const message = l10n.t("{0} files are there already, the first is {1}.", there.length, there[0] as string);
    if ((await window.showWarningMessage(message, { modal: true }, replace)) !== replace) return;
  }
  const written = await window.withProgress(
    { location: ProgressLocation.Notification, title: l10n.t("Exporting tracks"), cancellable: true },
    async (progress, token) => {
      for (const [i, { path, bytes }] of files.entries()) {
        if (token.isCancellationRequested) return i;
        await writer.write(Uri.joinPath(folder, path), await bytes());
        progress.report({ increment: 100 / files.length, message: path });
      }
      return files.length;
    },
  );
  const lost = losses.map(({ kind, count }) => `${lossMeanings[kind]} (${count})`).join("; ");
  await window.showInformationMessage(
    [
      l10n.t("{0} of {1} files written to {2}.", written, files.length, workspace.asRelativePath(folder)),
      ...(lost === "" ? [] : [l10n.t("The format leaves out: {0}.", lost)]),
    ].join(" "),
  );
}

async function isThere(uri: Uri): Promise<boolean> {
  try {
    await workspace.fs.stat(uri);
    return true;
  } catch {
    return false;
  }
}
