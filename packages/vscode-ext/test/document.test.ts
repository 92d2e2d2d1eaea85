/** A picture's document over real files: every format is left as it is by looking, and changed by one slice for one object. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { compressRle, encodePng, encodeRle, type Mask } from "@masklet/core/node";
import { EditorSession, type Step } from "@masklet/editor";
import { type Dataset, type LabelObject, type WriteFormat, writeLabels } from "@masklet/labels";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { localFiles } from "../src/desktop.ts";
import { type Asker, ImageDocument } from "../src/image/document.ts";
import { openFolders, resetFake, trust, Uri, workspace } from "./fake/vscode.ts";

const width = 40;
const height = 30;
let folder: string;
beforeEach(() => {
  resetFake();
  folder = mkdtempSync(join(tmpdir(), "masklet-document-"));
  openFolders(folder);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function rectangle(x: number, y: number, w: number, h: number): Mask {
  const data = new Uint8Array(width * height);
  for (let row = y; row < y + h; row++) data.fill(1, row * width + x, row * width + x + w);
  return { width, height, data };
}

const maskOf = (x: number, y: number, w: number, h: number): LabelObject => ({
  shape: { kind: "mask", rle: encodeRle(rectangle(x, y, w, h)) },
  category: "cat",
});

function put(path: string, bytes: Uint8Array | string): string {
  const whole = join(folder, path);
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, bytes);
  return whole;
}

const noAnswers: Asker = {
  format: async () => undefined,
  className: async () => undefined,
  conflict: async () => undefined,
};

async function open(
  path: string,
  ask: Partial<Asker> = {},
  backup?: ReturnType<typeof Uri.file>,
): Promise<ImageDocument> {
  const options = { files: localFiles, ask: { ...noAnswers, ...ask }, drafts: Uri.file(join(folder, ".drafts")) };
  return ImageDocument.open(Uri.file(join(folder, path)), options, backup);
}
/** A page of the document: what it does goes to the document as steps. */
function pageOf(document: ImageDocument): { readonly session: EditorSession; readonly steps: Step[] } {
  if (document.document === undefined) throw new Error("the document has no size");
  const session = new EditorSession(document.document, { historyLimit: 0 });
  const steps: Step[] = [];
  session.subscribe((event) => {
    if (event.type !== "step" || event.origin !== "command") return;
    steps.push(event.step);
    document.take(event.step, session);
  });
  document.onDidChange((event) => {
    if (event.type === "step" && event.from !== session) session.take(event.step);
  });
  return { session, steps };
}

/** Every file's bytes and time. */
function snapshot(): Readonly<Record<string, string>> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length), `${statSync(path).mtimeMs} ${readFileSync(path, "base64")}`];
    }),
  );
}

/** A dataset of one picture with two objects that touch nothing. */
async function dataset(format: WriteFormat, file: string, video?: { name: string; index: number }): Promise<void> {
  const objects = [maskOf(2, 3, 8, 6), maskOf(20, 10, 9, 12)].map((object, i) =>
    video === undefined ? object : { ...object, track: i + 1, keyframe: true },
  );
  const image = {
    file,
    width,
    height,
    objects,
    labelled: true,
    ...(video !== undefined && { frame: { video: video.name, index: video.index } }),
  };
  const made: Dataset = {
    categories: [{ name: "cat" }, { name: "dog" }],
    images: [image],
    ...(video !== undefined && { videos: [{ name: video.name, width, height, frames: 1 }] }),
  };
  for (const one of writeLabels(made, format).files) put(one.path, await one.bytes());
  put(file, await encodePng({ width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(200) }));
  for (const path of Object.keys(snapshot())) utimesSync(join(folder, path), 1_700_000_000, 1_700_000_000);
}

const formats: readonly (readonly [format: WriteFormat, file: string, video?: { name: string; index: number }])[] = [
  ["coco", "pictures/a.png"],
  ["labelme", "a.png"],
  ["yolo", "images/train/a.png"],
  ["cvat-images", "a.png"],
  ["label-studio", "a.png"],
  ["voc", "JPEGImages/a.png"],
  ["sa1b", "sa_1.png"],
  ["davis", "JPEGImages/480p/clip/00000.png", { name: "clip", index: 0 }],
];

describe.each(formats.map(([format, file, video]) => ({ format, file, video })))(
  "$format",
  ({ format, file, video }) => {
    test("is found, and looking at it leaves bytes and times", async () => {
      await dataset(format, file, video);
      const before = snapshot();
      const document = await open(file);
      expect(document.document?.objects).toHaveLength(2);
      if (document.readOnly === undefined) await document.save();
      document.dispose();
      expect(snapshot()).toEqual(before);
    });

    test("an accepted object changes one slice of one file, and is there when it is opened again", async () => {
      await dataset(format, file, video);
      const before = snapshot();
      const document = await open(file);
      if (format === "voc" || format === "sa1b") {
        expect(document.readOnly).toMatch(/are shown, and not changed/);
        await expect(document.save()).rejects.toMatchObject({ code: "labels-read-only" });
        expect(snapshot()).toEqual(before);
        return;
      }
      const { session } = pageOf(document);
      // A class that the file lists, another than the objects' where there is one.
      const named = session.document.classes.at(-1)?.name;
      session.addObjects([{ mask: rectangle(5, 20, 6, 5), ...(named !== undefined && { class: named }) }]);
      await document.save();
      const after = snapshot();
      const changed = Object.keys(after).filter((path) => after[path] !== before[path]);
      expect(changed).toHaveLength(1);
      const [path = ""] = changed;
      const [was, is] = [before, after].map((all) => Buffer.from(all[path]?.split(" ")[1] ?? "", "base64")) as [
        Buffer,
        Buffer,
      ];
      if (format !== "davis") {
        // What is before and behind the new slice is what was there.
        let head = 0;
        while (head < was.length && was[head] === is[head]) head++;
        let tail = 0;
        while (tail < was.length - head && was.at(-1 - tail) === is.at(-1 - tail)) tail++;
        expect(head + tail).toBe(was.length);
        expect(is.length).toBeGreaterThan(was.length);
      }
      const again = await open(file);
      const masks = again.document?.objects.map(({ mask }) => mask);
      expect(masks).toHaveLength(3);
      expect(masks).toContain(compressRle(encodeRle(rectangle(5, 20, 6, 5))).counts);
      // And saving it again writes nothing.
      await again.save();
      await document.save();
      expect(snapshot()).toEqual(after);
    });

    test("an object that is removed and brought back by undo leaves the file as it was", async () => {
      await dataset(format, file, video);
      const document = await open(file);
      if (document.readOnly !== undefined) return;
      const { session, steps } = pageOf(document);
      const [, second] = session.document.objects;
      session.remove(second?.id ?? 0);
      await document.save();
      expect((await open(file)).document?.objects).toHaveLength(1);
      document.undoOf(steps[0] as Step)();
      await document.save();
      expect((await open(file)).document?.objects.map(({ mask }) => mask).toSorted()).toEqual(
        document.document?.objects.map(({ mask }) => mask).toSorted(),
      );
    });
  },
);

describe("what others do to the file", () => {
  const labels = (shapes: readonly (readonly [label: string, x: number])[]): string =>
    JSON.stringify({
      version: "5.2.1",
      flags: {},
      shapes: shapes.map(([label, x]) => ({
        label,
        points: [
          [x, 2],
          [x + 5, 2],
          [x + 5, 9],
          [x, 9],
        ],
        group_id: null,
        shape_type: "polygon",
        flags: {},
      })),
      imagePath: "a.png",
      imageData: null,
      imageHeight: height,
      imageWidth: width,
    });
  const picture = async (): Promise<void> => {
    put("a.png", await encodePng({ width, height, channels: 3, data: new Uint8Array(width * height * 3) }));
  };

  test("is shown where nobody here has touched it, and both are kept", async () => {
    await picture();
    put(
      "a.json",
      labels([
        ["one", 2],
        ["two", 20],
      ]),
    );
    const document = await open("a.png");
    const { session } = pageOf(document);
    session.select(1);
    session.grow(1);
    put(
      "a.json",
      labels([
        ["one", 2],
        ["two", 20],
        ["three", 30],
      ]),
    );
    await document.changed();
    expect(session.document.objects.map((one) => one.class)).toEqual(["one", "two", "three"]);
    await document.save();
    const saved = JSON.parse(readFileSync(join(folder, "a.json"), "utf8"));
    expect(saved.shapes.map((shape: { label: string }) => shape.label)).toEqual(["one", "two", "three"]);
    expect(session.document).toEqual(document.document);
  });

  test.each([
    ["mine", 1],
    ["theirs", 0],
  ] as const)("asks whose change of one object is kept: %s", async (choice, grown) => {
    await picture();
    put("a.json", labels([["one", 2]]));
    let asked = 0;
    const document = await open("a.png", {
      conflict: async () => {
        asked++;
        return choice;
      },
    });
    const { session } = pageOf(document);
    session.select(1);
    session.grow(1);
    const mine = session.object(1).mask;
    put("a.json", labels([["one", 3]]));
    await document.changed();
    expect(session.document.objects.map(({ mask }) => mask)).toContain(mine);
    await document.save();
    expect(asked).toBe(1);
    const again = await open("a.png");
    expect(again.document?.objects).toHaveLength(1);
    expect(again.document?.objects[0]?.mask === mine).toBe(grown === 1);
    expect(session.document).toEqual(document.document);
  });

  test("writes nothing where nobody has decided", async () => {
    await picture();
    put("a.json", labels([["one", 2]]));
    const document = await open("a.png");
    const { session } = pageOf(document);
    session.select(1);
    session.grow(1);
    put("a.json", labels([["one", 3]]));
    const before = snapshot();
    await expect(document.save()).rejects.toMatchObject({ code: "labels-conflict" });
    expect(snapshot()).toEqual(before);
  });

  test("half a file is not taken for none", async () => {
    await picture();
    put("a.json", labels([["one", 2]]));
    const document = await open("a.png");
    put("a.json", labels([["one", 2]]).slice(0, 60));
    await document.changed();
    expect(document.document?.objects).toHaveLength(1);
  });

  test("undo of what is not there any more says so, and changes nothing", async () => {
    await picture();
    put("a.json", labels([["one", 2]]));
    const document = await open("a.png");
    const { session, steps } = pageOf(document);
    session.select(1);
    session.grow(1);
    await document.save();
    put("a.json", labels([]));
    await document.changed();
    expect(document.document?.objects).toEqual([]);
    const said: string[] = [];
    document.onDidChange((event) => {
      if (event.type === "trouble") said.push(event.message);
    });
    document.undoOf(steps[0] as Step)();
    expect(said).toHaveLength(1);
    expect(document.document?.objects).toEqual([]);
  });

  test("a backup brings back what was not saved, against the file as it is then", async () => {
    await picture();
    put(
      "a.json",
      labels([
        ["one", 2],
        ["two", 20],
      ]),
    );
    const document = await open("a.png");
    const { session } = pageOf(document);
    session.remove(1);
    session.addObjects([{ mask: rectangle(10, 20, 4, 4), state: "draft" }]);
    const backup = Uri.file(join(folder, "deep", "backup"));
    await document.backup(backup);
    put(
      "a.json",
      labels([
        ["one", 2],
        ["two", 20],
        ["three", 30],
      ]),
    );
    const again = await open("a.png", {}, backup);
    expect(again.document?.objects.map((one) => one.class)).toEqual(["two", null, "three"]);
    await again.save();
    const saved = JSON.parse(readFileSync(join(folder, "a.json"), "utf8"));
    expect(saved.shapes.map((shape: { label: string }) => shape.label)).toEqual(["two", "three"]);
  });

  test("a backup that was opened before the workspace was trusted is there afterwards too", async () => {
    await picture();
    put(
      "a.json",
      labels([
        ["one", 2],
        ["two", 20],
      ]),
    );
    const document = await open("a.png");
    pageOf(document).session.remove(1);
    const backup = Uri.file(join(folder, "backup"));
    await document.backup(backup);
    trust(false);
    const again = await open("a.png", {}, backup);
    expect(again.readOnly).toMatch(/not trusted/);
    trust(true);
    await again.trusted();
    expect(again.readOnly).toBeUndefined();
    expect(again.document?.objects.map((one) => one.class)).toEqual(["two"]);
  });

  test("unsaved work is there where VS Code has lost its backup, and gone where it was saved or given up", async () => {
    await picture();
    put("a.json", labels([["one", 2]]));
    const changed = async (): Promise<ImageDocument> => {
      const document = await open("a.png");
      pageOf(document).session.remove(1);
      await document.backup(Uri.file(join(folder, "backup")));
      return document;
    };
    await changed();
    const again = await open("a.png");
    expect(again.document?.objects).toEqual([]);
    expect([again.takeForgotten(), again.takeForgotten()]).toEqual([true, false]);
    const replaced = await open("a.png", {}, Uri.file(join(folder, "a backup that was replaced")));
    expect(replaced.document?.objects).toEqual([]);
    expect(replaced.takeForgotten()).toBe(false);
    await again.revert();
    const reverted = await open("a.png");
    expect(reverted.document?.objects).toHaveLength(1);
    expect(reverted.takeForgotten()).toBe(false);
    (await changed()).dispose();
    await expect.poll(async () => (await open("a.png")).document?.objects.length).toBe(1);
    const saving = await changed();
    // VS Code may ask for a backup just before it saves.
    let goOn = (): void => {};
    const held = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    vi.spyOn(workspace.fs, "writeFile").mockImplementationOnce(() => held);
    const backup = saving.backup(Uri.file(join(folder, "backup")));
    await saving.save();
    goOn();
    await backup;
    expect((await open("a.png")).takeForgotten()).toBe(false);
    expect(JSON.parse(readFileSync(join(folder, "a.json"), "utf8")).shapes).toEqual([]);
  });

  test("drafts are in no label file, and there when the picture is opened again", async () => {
    await picture();
    put("a.json", labels([["one", 2]]));
    const before = readFileSync(join(folder, "a.json"), "utf8");
    const document = await open("a.png");
    pageOf(document).session.addObjects([{ mask: rectangle(10, 20, 4, 4), state: "draft" }]);
    await document.save();
    expect(readFileSync(join(folder, "a.json"), "utf8")).toBe(before);
    const again = await open("a.png");
    expect(again.document?.objects.map(({ state }) => state)).toEqual(["accepted", "draft"]);
    await again.revert();
    expect((await open("a.png")).document?.objects).toHaveLength(1);
  });

  test("a workspace that is not trusted is shown, and nothing is written", async () => {
    await picture();
    put("a.json", labels([["one", 2]]));
    trust(false);
    const before = snapshot();
    const document = await open("a.png");
    expect(document.document?.objects).toHaveLength(1);
    expect(document.readOnly).toMatch(/not trusted/);
    await expect(document.save()).rejects.toMatchObject({ code: "labels-read-only" });
    expect(snapshot()).toEqual(before);
    trust(true);
    await document.trusted();
    expect(document.readOnly).toBeUndefined();
    pageOf(document).session.remove(document.document?.objects[0]?.id ?? 0);
    await document.save();
    expect((await open("a.png")).document?.objects).toEqual([]);
  });

  test("a pointer of Git LFS is said", async () => {
    put("a.png", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n");
    expect((await open("a.png")).missing).toMatch(/Git LFS/);
  });

  test("objects without a class are asked for, and not saved without", async () => {
    await picture();
    put("a.json", labels([["one", 2]]));
    const document = await open("a.png");
    pageOf(document).session.addObjects([{ mask: rectangle(10, 20, 4, 4) }]);
    const before = snapshot();
    await expect(document.save()).rejects.toMatchObject({ code: "no-class" });
    expect(snapshot()).toEqual(before);
  });
});
