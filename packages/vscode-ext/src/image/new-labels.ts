/** Labels for a dataset that has none: a person is asked for the format once, and the folder keeps it. */
import { decodeUtf8 } from "@masklet/core";
import { l10n, type Memento, Uri, window, workspace } from "vscode";
import { type FoundLabels, folderOf, nameOf, readIfThere, yoloFile } from "../labels/find.ts";

type Format = "labelme" | "yolo";

const formats: readonly { readonly format: Format; readonly label: string; readonly detail: () => string }[] = [
  {
    format: "labelme",
    label: "LabelMe",
    detail: () => l10n.t("A JSON file beside each picture. Keeps holes, and any class."),
  },
  {
    format: "yolo",
    label: "YOLO",
    detail: () => l10n.t("A text file for each picture, and the classes in data.yaml. No holes."),
  },
];

/** Where a picture's labels go; `undefined` where nobody chose. The classes of YOLO are asked for and written. */
export async function newLabels(picture: Uri, memory: Memento): Promise<FoundLabels | undefined> {
  const folder = folderOf(picture);
  const key = `format:${folder.toString()}`;
  const set = workspace.getConfiguration("masklet", picture).get<string>("labelFormat", "ask");
  const known = set === "ask" ? memory.get<Format>(key) : (set as Format);
  const format = known ?? (await ask());
  if (format === undefined) return undefined;
  await memory.update(key, format);
  if (format === "labelme") {
    const uri = Uri.joinPath(folder, `${nameOf(picture).replace(/\.[^.]+$/, "")}.json`);
    return { format, uri, others: [] };
  }
  return newYolo(picture);
}

async function ask(): Promise<Format | undefined> {
  const items = formats.map(({ format, label, detail }) => ({ label, detail: detail(), format }));
  const chosen = await window.showQuickPick(items, {
    title: l10n.t("Format of the labels"),
    placeHolder: l10n.t("This folder has none yet. It is asked once."),
  });
  return chosen?.format;
}

async function newYolo(picture: Uri): Promise<FoundLabels | undefined> {
  const uri = yoloFile(picture);
  const at = picture.path.lastIndexOf("/images/");
  const root = at < 0 ? folderOf(picture) : picture.with({ path: picture.path.slice(0, at) || "/" });
  const yaml = Uri.joinPath(root, "data.yaml");
  const there = await readIfThere(yaml);
  if (there === undefined || !/^\s*names\s*:/m.test(decodeUtf8(there) ?? "")) {
    if (there !== undefined) return undefined; // somebody's, of another kind
    const named = await window.showInputBox({
      prompt: l10n.t("Classes in the order of their numbers, with commas between"),
      placeHolder: "cat, dog",
    });
    const names = (named ?? "")
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "");
    if (names.length === 0) return undefined;
    const images = at < 0 ? "." : "images";
    const lines = [
      `train: ${images}`,
      `val: ${images}`,
      `nc: ${names.length}`,
      "names:",
      ...names.map((name, i) => `  ${i}: ${JSON.stringify(name)}`),
    ];
    await workspace.fs.writeFile(yaml, new TextEncoder().encode(`${lines.join("\n")}\n`));
  }
  return { format: "yolo", uri, others: [yaml] };
}
