/** Which split a picture is of, as folders, files of labels and lists of names tell it. */

const words: Readonly<Record<string, string>> = {
  train: "train",
  training: "train",
  val: "val",
  valid: "val",
  validation: "val",
  test: "test",
  testing: "test",
};

/** The split that a path names in one of its parts, the last one if several do: `images/val2017/a.jpg` is of val. */
export function splitOfPath(path: string): string | undefined {
  const parts = path.toLowerCase().split("/");
  for (const part of parts.reverse()) {
    const found = part.split(/[^a-z]+/).filter((word) => Object.hasOwn(words, word));
    if (found.length > 0) return words[found.at(-1) as string];
  }
  return undefined;
}

/** Splits by what lists say: folders, pictures, and names of pictures or videos without their endings. */
export class SplitRules {
  readonly #folders: [folder: string, split: string | undefined][] = [];
  readonly #names = new Map<string, string>();

  /** A folder that several splits name tells nothing. */
  folder(path: string, split: string): void {
    const clean = path.replace(/\/+$/, "");
    const folder = clean === "" ? "" : `${clean}/`;
    const name = words[split] ?? split;
    const known = this.#folders.find((rule) => rule[0] === folder);
    if (known !== undefined) {
      if (known[1] !== name) known[1] = undefined;
      return;
    }
    this.#folders.push([folder, name]);
    // The longest folder that fits counts.
    this.#folders.sort((a, b) => b[0].length - a[0].length);
  }

  /** Lines of a list: paths, or names as ImageSets have them. */
  list(text: string, split: string): void {
    for (const line of text.split(/\r?\n/)) {
      const [name = ""] = line.trim().split(/\s+/);
      if (name !== "") this.#names.set(keyOf(name), words[split] ?? split);
    }
  }

  /** `undefined` where nothing says it. `labels` is the file that holds the picture's labels. */
  of(picture: string, labels?: string): string | undefined {
    const parts = picture.split("/");
    const listed =
      this.#names.get(keyOf(picture)) ??
      this.#names.get(keyOf(parts.at(-1) as string)) ??
      (parts.length > 1 ? this.#names.get(parts.at(-2) as string) : undefined);
    if (listed !== undefined) return listed;
    const folder = this.#folders.find(([prefix]) => picture.startsWith(prefix));
    if (folder?.[1] !== undefined) return folder[1];
    const own = picture.slice(0, picture.lastIndexOf("/") + 1);
    return splitOfPath(own) ?? (labels === undefined ? undefined : splitOfPath(labels.replace(/\.[^./]+$/, "")));
  }
}

function keyOf(name: string): string {
  return name.replace(/^(\.\/)+/, "").replace(/\.(jpe?g|png|webp|bmp|tiff?|gif|avif)$/i, "");
}
