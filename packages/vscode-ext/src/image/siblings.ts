/** The pictures around a picture. */
import { FileType, Uri, workspace } from "vscode";
import { folderOf, nameOf } from "../labels/find.ts";

const pictures = /\.(jpe?g|jpe|jfif|png|webp|avif|bmp|gif|tiff?)$/i;

/** Pictures of the same folder, as the explorer orders them. */
export async function siblingsOf(uri: Uri): Promise<{ readonly siblings: readonly Uri[]; readonly at: number }> {
  const folder = folderOf(uri);
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const names = (await workspace.fs.readDirectory(folder))
    .filter(([name, type]) => (type & FileType.File) !== 0 && pictures.test(name))
    .map(([name]) => name)
    .sort(compare);
  return { siblings: names.map((name) => Uri.joinPath(folder, name)), at: names.indexOf(nameOf(uri)) };
}
