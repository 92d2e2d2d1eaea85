/** A video's document over real files: the video's own are never touched, what is done is one of VS Code's steps, and kept. */
import {
  chmodSync,
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
import { join } from "node:path";
import { compressRle, encodeRle, type Mask } from "@masklet/core";
import { invertVideoStep, type VideoEditorDocument, VideoEditorSession, type VideoStep } from "@masklet/editor";
import {
  type Dataset,
  filesOf,
  type LabelFile,
  type LabelledImage,
  type LabelObject,
  type ReadFormat,
  readLabels,
} from "@masklet/labels";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { localFiles } from "../src/desktop.ts";
import { VideoDocument, type VideoDocumentOptions } from "../src/video/document.ts";
import { type ExportOptions, exportTracks, type TrackFormat } from "../src/video/export.ts";
import { importTracks } from "../src/video/import.ts";
import { openFolders, resetFake, trust, Uri } from "./fake/vscode.ts";
import { greyPng } from "./folder.ts";

const size = { width: 40, height: 30, count: 4 };
let folder: string;
let labels: string;

beforeEach(() => {
  resetFake();
  folder = mkdtempSync(join(tmpdir(), "masklet-video-"));
  labels = join(folder, "bear.masklet.json");
  openFolders(folder);
  mkdirSync(join(folder, "bear"));
  for (const i of [0, 1, 2, 10]) writeFileSync(join(folder, "bear", `${i}.png`), greyPng(40, 30, 100 + i));
  writeFileSync(join(folder, "bear", "notes.txt"), "no frame");
  writeFileSync(join(folder, "clip.mp4"), "no video");
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }))
    utimesSync(join(folder, name), 1e9, 1e9);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const nothing = (): VideoEditorDocument => new VideoEditorSession(size).document;
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

function rectangle(x: number, y: number, w: number, h: number): Mask {
  const data = new Uint8Array(size.width * size.height);
  for (let row = y; row < y + h; row++) data.fill(1, row * size.width + x, row * size.width + x + w);
  return { width: size.width, height: size.height, data };
}
const counts = (...at: Parameters<typeof rectangle>): string => compressRle(encodeRle(rectangle(...at))).counts;

async function open(
  name = "bear",
  options: Partial<VideoDocumentOptions> = {},
  backup?: ReturnType<typeof Uri.file>,
): Promise<VideoDocument> {
  const all = {
    files: localFiles,
    conflict: async () => undefined,
    storage: Uri.file(join(folder, ".storage")),
    ...options,
  };
  return VideoDocument.open(Uri.file(join(folder, name)), all, backup);
}

interface View {
  readonly session: VideoEditorSession;
  readonly steps: VideoStep[];
}

/** A page that has opened the video: what it does goes to the document as steps. */
function viewOf(document: VideoDocument): View {
  document.opened(size, 24);
  if (document.document === undefined) throw new Error("the document does not fit");
  const session = new VideoEditorSession(document.document, { historyLimit: 0 });
  const steps: VideoStep[] = [];
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

/** An object on frame 1, which a person made, and on frame 2, where it was tracked. */
function work(document: VideoDocument, { session }: View): void {
  session.seek(1);
  session.frameEditor.addObjects([{ mask: rectangle(2, 3, 8, 6), state: "draft" }]);
  const after = { mask: counts(3, 3, 8, 6), score: 0.9, objectScore: 7, prompt: null };
  const changes = [{ kind: "frame", id: 1, frame: 2, before: null, after }] as const;
  document.take({ name: "track", object: 1, frame: null, count: 1, changes }, undefined);
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

describe.each(["bear", "clip.mp4"])("%s", (name) => {
  test("opened, looked at, saved and closed without a change, leaves every byte and time", async () => {
    const before = snapshot();
    const document = await open(name);
    viewOf(document);
    await document.save();
    document.dispose();
    expect(snapshot()).toEqual(before);
  });

  test("what is done is written beside the video, and nothing else; it is there when it is opened again", async () => {
    const before = snapshot();
    const document = await open(name);
    const view = viewOf(document);
    work(document, view);
    expect(Object.keys(view.session.object(1).frames)).toEqual(["1", "2"]);
    await document.save();
    const file = `/${name}.masklet.json`;
    const { [file]: written, ...others } = snapshot();
    expect(others).toEqual(before);
    expect(written).toBeDefined();
    const again = await open(name);
    expect(viewOf(again).session.document).toEqual(view.session.document);
    await again.save();
    expect(snapshot()[file]).toBe(written);
  });
});

test("frames come by their numbers, and no other file is one", async () => {
  expect((await open()).names).toEqual(["0.png", "1.png", "2.png", "10.png"]);
  expect((await open("clip.mp4")).names).toBeUndefined();
  writeFileSync(join(folder, "bear", "02.png"), greyPng(40, 30));
  await expect(open()).rejects.toThrow(/2\.png and .*2\.png have the same number/);
  mkdirSync(join(folder, "empty"));
  await expect(open("empty")).rejects.toThrow(code("not-found"));
});

test("undo and redo are VS Code's; a step that no longer fits is said and changes nothing", async () => {
  const document = await open();
  const { session, steps } = viewOf(document);
  const troubles: string[] = [];
  document.onDidChange((event) => event.type === "trouble" && troubles.push(event.message));
  session.frameEditor.addObjects([{ mask: rectangle(2, 3, 8, 6) }]);
  session.seek(2);
  session.frameEditor.addObjects([{ mask: rectangle(20, 3, 8, 6) }]);
  const [first, second] = steps as [VideoStep, VideoStep];
  const whole = document.document;
  document.undoOf(second)();
  expect(session.document.objects.map(({ id }) => id)).toEqual([1]);
  document.apply(second);
  expect(session.document).toEqual(whole);
  document.undoOf(first)();
  expect(troubles).toEqual([expect.stringMatching(/cannot be undone/)]);
  expect(document.document).toEqual(whole);
});

test("a class that is added is of no frame, and is undone as one step", async () => {
  const document = await open();
  const { session } = viewOf(document);
  session.seek(2);
  const step = document.addClass("cat") as VideoStep;
  expect([step.frame, session.frame, session.document.classes.map(({ name }) => name)]).toEqual([null, 2, ["cat"]]);
  expect(document.addClass("cat")).toBeUndefined();
  document.undoOf(step)();
  expect(session.document.classes).toEqual([]);
});

test("one object more is one line more for each of its frames", async () => {
  const document = await open();
  const { session } = viewOf(document);
  session.frameEditor.addObjects([{ mask: rectangle(2, 3, 8, 6) }]);
  await document.save();
  const before = readFileSync(labels, "utf8").split("\n");
  session.seek(3);
  session.frameEditor.addObjects([{ mask: rectangle(20, 3, 8, 6) }]);
  await document.save();
  const after = readFileSync(labels, "utf8").split("\n");
  expect(after.filter((line) => !before.includes(line))).toHaveLength(4); // the head's next id, a comma, object, frame
  expect(JSON.parse(after.join("\n"))).toMatchObject({ masklet: "video", video: "bear", ...size, nextId: 3 });
});

test("unsaved work comes back from a backup, and from our own copy where VS Code has lost its own", async () => {
  const document = await open();
  const { session } = viewOf(document);
  session.frameEditor.addObjects([{ mask: rectangle(2, 3, 8, 6) }]);
  const destination = Uri.file(join(folder, ".backups", "one"));
  await document.backup(destination);
  for (const backup of [destination, undefined]) {
    const again = await open("bear", {}, backup);
    expect(again.takeForgotten()).toBe(backup === undefined);
    again.opened(size, undefined);
    expect(again.document).toEqual(session.document);
  }
  await document.revert();
  expect(document.document?.objects).toEqual([]);
  const reverted = await open();
  reverted.opened(size, undefined);
  expect(reverted.document?.objects).toEqual([]);
});

test("what others write is taken over", async () => {
  const document = await open();
  const { session } = viewOf(document);
  session.frameEditor.addObjects([{ mask: rectangle(2, 3, 8, 6) }]);
  await document.save();
  const theirs = readFileSync(labels, "utf8").replace('"nextId":2', '"nextId":9');
  writeFileSync(labels, theirs);
  await document.changed();
  expect(document.document?.nextId).toBe(9);
});

test("where both have changed it a person decides when it is saved", async () => {
  let choice: "mine" | "theirs" | undefined;
  const document = await open("bear", { conflict: async () => choice });
  const troubles: string[] = [];
  document.onDidChange((event) => event.type === "trouble" && troubles.push(event.message));
  const { session } = viewOf(document);
  session.frameEditor.addObjects([{ mask: rectangle(2, 3, 8, 6) }]);
  await document.save();
  const theirs = readFileSync(labels, "utf8").replace('"nextId":2', '"nextId":9');
  writeFileSync(labels, theirs);
  session.frameEditor.addObjects([{ mask: rectangle(12, 3, 8, 6) }]);
  await document.changed();
  expect(troubles).toEqual([expect.stringMatching(/changed here and elsewhere/)]);
  await expect(document.save()).rejects.toThrow(code("labels-conflict"));
  expect(readFileSync(labels, "utf8")).toBe(theirs);
  choice = "theirs";
  await document.save();
  expect(document.document).toMatchObject({ nextId: 9, objects: [{ id: 1 }] });
  expect(readFileSync(labels, "utf8")).toBe(theirs);
});

describe("nothing is changed", () => {
  async function refuses(document: VideoDocument, why: RegExp): Promise<void> {
    const before = snapshot();
    document.opened(size, 24);
    expect(document.readOnly).toMatch(why);
    const step: VideoStep = { name: "classes", object: null, frame: 0, count: 1, changes: [] };
    expect(() => document.take(step, undefined)).toThrow(code("labels-read-only"));
    await expect(document.save()).rejects.toThrow(code("labels-read-only"));
    expect(snapshot()).toEqual(before);
  }

  test("of a file that is none of ours", async () => {
    writeFileSync(labels, '{"shapes": []}');
    await refuses(await open(), /bear\.masklet\.json cannot be read as the labels of a video/);
  });

  test("of labels of another video", async () => {
    const document = await open();
    const { session } = viewOf(document);
    session.frameEditor.addObjects([{ mask: rectangle(2, 3, 8, 6) }]);
    await document.save();
    writeFileSync(join(folder, "bear", "11.png"), greyPng(40, 30));
    const again = await open();
    again.opened({ ...size, count: 5 }, undefined);
    expect(again.document).toBeUndefined();
    expect(again.readOnly).toMatch(/40x30, 4 frames; this one has 40x30, 5 frames/);
  });

  test("of a file that is locked, and in a workspace that is not trusted, until it is", async () => {
    const document = await open();
    work(document, viewOf(document));
    await document.save();
    chmodSync(labels, 0o444);
    await refuses(await open(), /read-only/);
    chmodSync(labels, 0o644);
    trust(false);
    const untrusted = await open();
    await refuses(untrusted, /not trusted/);
    trust(true);
    await untrusted.trusted();
    expect(untrusted.readOnly).toBeUndefined();
  });
});

describe("imported", () => {
  const image = (file: string, track: number | undefined, index = 9): LabelledImage => ({
    file,
    width: 40,
    height: 30,
    objects: [
      {
        shape: { kind: "mask", rle: encodeRle(rectangle(2, 3, 8, 6)) },
        category: "cat",
        ...(track !== undefined && { track }),
      },
    ],
    labelled: true,
    frame: { video: file.slice(0, file.indexOf("/")), index },
  });
  const video = (name: string): { name: string; width: number; height: number; frames: number } => ({
    name,
    width: 40,
    height: 30,
    frames: 4,
  });

  test("by the frames' names, beside the objects that are there; what has no place is counted", () => {
    const known: VideoEditorDocument = { ...nothing(), nextId: 7, classes: [{ name: "cat", colour: null }] };
    const images = [image("bear/2.jpg", 5), image("bear/3.jpg", 5), image("bear/2.jpg", undefined)];
    const { step, left } = importTracks(
      known,
      { categories: [], images },
      { video: "bear", names: ["0.png", "1.png", "2.png", "10.png"] },
    );
    expect(left).toBe(2);
    const session = new VideoEditorSession(known);
    session.take(step);
    expect(session.document).toMatchObject({ nextId: 8, classes: known.classes, objects: [{ id: 7, class: "cat" }] });
    expect(Object.keys(session.document.objects[0]?.frames ?? {})).toEqual(["2"]);
    // Where none of the names is there, the numbers say it.
    const numbered = { categories: [], images: [image("bear/frame_a.jpg", 5, 1)] };
    const [change] = importTracks(known, numbered, { video: "bear", names: ["0.png", "1.png"] }).step.changes;
    expect(change).toMatchObject({ after: { frames: { 1: {} } } });
  });

  test("of several videos the one of this name; labels of another size, or of none, are refused", () => {
    const from = (...images: readonly LabelledImage[]): Dataset => ({
      categories: [],
      images,
      videos: [video("bear"), video("cat")],
    });
    const into = { video: "cat", names: undefined };
    const both = from(image("bear/0.jpg", 1, 0), image("cat/1.jpg", 2, 1));
    const [change] = importTracks(nothing(), both, into).step.changes.filter(({ kind }) => kind === "object");
    expect(change).toMatchObject({ after: { frames: { 1: {} } } });
    for (const [dataset, options, says] of [
      [both, { ...into, video: "dog" }, /2 videos \(bear, cat, \.\.\.\), and none is called dog/],
      [
        from({ ...image("cat/1.jpg", 2, 1), width: 41 }),
        into,
        /cat\/1\.jpg: its labels are of 41x30, the video is 40x30/,
      ],
      [from(image("cat/9.jpg", 2, 9)), into, /no object with a track on any of the 4 frames/],
    ] as const) {
      const run = (): unknown => importTracks(nothing(), dataset, options);
      expect(run).toThrow(says);
      expect(run).toThrow(code("labels-misfit"));
    }
  });
});

describe("exported", () => {
  const options: ExportOptions = { video: "bear", names: undefined, rate: 12, className: "thing", drafts: true };
  const known = (mask: string): object => ({ mask, score: 0.9, objectScore: 5, prompt: null });
  const edge = { feather: 0, decontaminate: 0 };
  const document = {
    version: 1,
    ...size,
    nextId: 3,
    classes: [{ name: "cat", colour: null }],
    objects: [
      {
        id: 1,
        name: null,
        class: "cat",
        state: "accepted",
        edge,
        frames: { 0: known(counts(2, 3, 8, 6)), 1: known(counts(0, 0, 0, 0)), 2: known(counts(4, 3, 8, 6)) },
      },
      { id: 2, name: null, class: null, state: "draft", edge, frames: { 2: known(counts(20, 10, 5, 5)) } },
    ],
  } as unknown as VideoEditorDocument;

  async function read(files: readonly LabelFile[], format: ReadFormat): Promise<readonly (readonly LabelObject[])[]> {
    const contents = Object.fromEntries(await Promise.all(files.map(async ({ path, bytes }) => [path, await bytes()])));
    const { dataset } = await readLabels(filesOf(contents), { format });
    return dataset.images
      .filter(({ frame, objects }) => frame === undefined || frame.index <= 2 || objects.length > 0)
      .map(({ objects }) => objects);
  }

  test.each<readonly [TrackFormat, readonly string[]]>([
    [
      "davis",
      ["Annotations/480p/bear/00000.png", "Annotations/480p/bear/00001.png", "Annotations/480p/bear/00002.png"],
    ],
    ["sav", ["bear_manual.json"]],
    ["coco", ["instances.json"]],
    ["cvat-video", ["annotations.xml"]],
  ])("as %s, each object is the same one on all frames", async (format, names) => {
    const { files } = exportTracks(document, format, options);
    expect(files.map(({ path }) => path)).toEqual(expect.arrayContaining([...names]));
    const tracks = (await read(files, format === "cvat-video" ? "cvat" : format)).map((objects) =>
      objects.map(({ track }) => Number(track)),
    );
    expect(tracks.filter((ids) => ids.length > 0)).toEqual([[1], [1, 2]]);
  });

  test.each<TrackFormat>(["davis", "sav", "coco", "cvat-video"])(
    "as %s, and imported, each object is there again",
    async (format) => {
      const { files } = exportTracks(document, format, options);
      const contents = Object.fromEntries(
        await Promise.all(files.map(async ({ path, bytes }) => [path, await bytes()])),
      );
      const { dataset } = await readLabels(filesOf(contents));
      const empty = nothing();
      const { step } = importTracks(empty, dataset, { video: "bear", names: undefined });
      const session = new VideoEditorSession(empty);
      session.take(step);
      const { objects, classes } = session.document;
      expect(objects.map(({ id, state }) => [id, state])).toEqual([
        [1, "accepted"],
        [2, "accepted"],
      ]);
      for (const [i, frame, mask] of [
        [0, 0, counts(2, 3, 8, 6)],
        [0, 2, counts(4, 3, 8, 6)],
        [1, 2, counts(20, 10, 5, 5)],
      ] as const) {
        // It is a person's: tracking leaves it alone.
        expect(objects[i]?.frames[frame]).toMatchObject({ mask, prompt: { points: [] } });
      }
      const named = format === "coco" || format === "cvat-video";
      expect(classes.map(({ name }) => name)).toEqual(named ? ["cat", "thing"] : []);
      session.take(invertVideoStep(step));
      expect(session.document).toEqual(empty);
    },
  );

  test("accepted ones alone, and what a format leaves out is said", async () => {
    const { files, losses } = exportTracks(document, "davis", { ...options, drafts: false });
    expect((await read(files, "davis")).flat().map(({ track }) => track)).toEqual([1, 1]);
    expect(losses.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["category", "score"]));
  });

  test("SA-V has the length in seconds, empty masks out of sight, and null where nothing is known", async () => {
    const [file] = exportTracks(document, "sav", options).files as [LabelFile];
    const json = JSON.parse(new TextDecoder().decode(await file.bytes()));
    expect(json).toMatchObject({ video_id: "bear", video_frame_count: 4, masklet_id: [1, 2] });
    expect(json.video_duration).toBeCloseTo(4 / 12);
    expect(json.masklet[1]).toEqual([{ size: [30, 40], counts: counts(0, 0, 0, 0) }, null]);
    expect(json.masklet[3]).toEqual([null, null]);
  });
});
