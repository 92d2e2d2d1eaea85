import { compressRle, encodeRle, MaskletError, type Rle } from "@masklet/core";
import type { LabelledImage } from "@masklet/labels";
import { beforeEach, describe, expect, test } from "vitest";
import { MemoryState } from "../../test/folder.ts";
import { compareImage, comparisonReport, reportMarkdown } from "./compare.ts";
import { type Draft, DraftStore } from "./drafts.ts";
import type { ImageEntry } from "./index.ts";
import { durationText, type JobOptions, type JobState, runJob, unfinishedJob } from "./job.ts";
import { countEntries, type Filter, filterEntries, type ImageFacts, nextUnlabelled, noFacts } from "./query.ts";
import { SplitRules, splitOfPath } from "./splits.ts";

const size = { width: 20, height: 20 };

function square(x: number, side: number): Rle {
  const data = new Uint8Array(400);
  for (let i = 0; i < side * side; i++) data[(4 + Math.floor(i / side)) * 20 + x + (i % side)] = 1;
  return encodeRle({ ...size, data });
}

const draft = (id: number, score: number): Draft => ({ id, score, mask: compressRle(square(id, 4)) });

describe("drafts", () => {
  const nothingOdd = (name: string): void => expect.unreachable(name);
  const record = (path: string, ...scores: readonly number[]) => ({
    path,
    size,
    model: "nano",
    drafts: scores.map((score, id) => draft(id, score)),
  });

  test("are there again after a restart, with the list or without it, and never with a list that is wrong", async () => {
    const files = new MemoryState();
    const store = await DraftStore.open(files, nothingOdd);
    await store.put(record("a.png", 0.9, 0.5));
    await store.flush();
    await store.put(record("b/ü.png", 0.7));
    // It crashed here: the list was taken away before the second picture was written.
    for (const again of [await DraftStore.open(files, nothingOdd), store]) {
      expect(again.summary("a.png")).toEqual({ drafts: 2, best: 0.9 });
      expect(again.summary("b/ü.png")).toEqual({ drafts: 1, best: 0.7 });
    }
    await store.flush();
    const listed = await DraftStore.open(files, nothingOdd);
    expect(listed.paths).toEqual(["a.png", "b/ü.png"]);
    expect((await listed.get("a.png"))?.drafts).toEqual(record("a.png", 0.9, 0.5).drafts);
  });

  test("are taken once", async () => {
    const store = await DraftStore.open(new MemoryState(), nothingOdd);
    await store.put(record("a.png", 0.9, 0.5));
    expect((await store.take("a.png", [1])).map(({ score }) => score)).toEqual([0.5]);
    await expect(store.take("a.png", [1])).rejects.toMatchObject({ code: "draft-unknown" });
    await store.take("a.png", [0]);
    expect([store.summary("a.png"), await store.get("a.png")]).toEqual([undefined, undefined]);
  });

  test("a file that broke off is told, and costs no other", async () => {
    const files = new MemoryState();
    const store = await DraftStore.open(files, nothingOdd);
    await store.put(record("a.png", 0.9));
    await files.write(`${"0".repeat(32)}.json`, new TextEncoder().encode('{"version":1,"pa'));
    const odd: string[] = [];
    const again = await DraftStore.open(files, (name) => odd.push(name));
    expect([odd, again.paths]).toEqual([[`${"0".repeat(32)}.json`], ["a.png"]]);
  });
});

describe("a job", () => {
  let files: MemoryState;
  let store: DraftStore;
  const job = (...paths: readonly string[]): JobState => ({
    id: "1",
    paths,
    done: 0,
    objects: 0,
    failed: [],
  });
  const options = (more: Partial<JobOptions> = {}): JobOptions => ({
    signal: new AbortController().signal,
    propose: async () => ({
      size,
      model: "nano",
      objects: [
        { mask: compressRle(square(2, 5)), score: 0.4 },
        { mask: compressRle(square(10, 5)), score: 0.8 },
      ],
    }),
    accepted: async () => [],
    ...more,
  });

  beforeEach(async () => {
    files = new MemoryState();
    store = await DraftStore.open(files, () => undefined);
  });

  test("goes on where it was stopped, and says what is left", async () => {
    const abort = new AbortController();
    const asked: string[] = [];
    const times: (number | undefined)[] = [];
    let clock = 0;
    const propose: JobOptions["propose"] = async (path) => {
      asked.push(path);
      clock += 2000;
      if (path === "d" && !abort.signal.aborted) {
        abort.abort();
        abort.signal.throwIfAborted();
      }
      return { size, model: "nano", objects: [{ mask: compressRle(square(2, 5)), score: 0.4 }] };
    };
    const paths = ["a", "b", "c", "d", "e"];
    const progress: JobOptions["progress"] = ({ secondsLeft }) => times.push(secondsLeft);
    const stopped = await runJob(
      job(...paths),
      store,
      files,
      options({ signal: abort.signal, propose, progress, now: () => clock }),
    );
    expect([stopped.done, times]).toEqual([3, [undefined, undefined, 4]]);
    const left = (await unfinishedJob(files)) as JobState;
    const ended = await runJob(left, store, files, options({ propose }));
    expect([ended.done, ended.objects, asked]).toEqual([5, 5, ["a", "b", "c", "d", "d", "e"]]);
    expect(await unfinishedJob(files)).toBeUndefined();
    expect(store.paths).toEqual(paths);
  });

  test("leaves out what is labelled already, and puts the best first", async () => {
    await runJob(job("a"), store, files, options({ accepted: async () => [square(10, 5)] }));
    expect((await store.get("a"))?.drafts.map(({ score }) => score)).toEqual([0.4]);
    await runJob(job("b"), store, files, options());
    expect((await store.get("b"))?.drafts.map(({ id, score }) => [id, score])).toEqual([
      [0, 0.8],
      [1, 0.4],
    ]);
  });

  test("one picture that fails is said, several in a row end it", async () => {
    const failing = options({
      propose: async (path) => {
        if (path.startsWith("bad")) throw new MaskletError("broken", `${path} is broken`);
        return options().propose(path, new AbortController().signal);
      },
    });
    const state = await runJob(job("a", "bad", "b"), store, files, failing);
    expect([state.done, state.failed]).toEqual([3, [{ path: "bad", message: "bad is broken" }]]);
    await expect(runJob(job(..."12345".split("").map((n) => `bad${n}`)), store, files, failing)).rejects.toMatchObject({
      code: "broken",
    });
  });

  test.each([
    [12, "12 s"],
    [0.2, "1 s"],
    [90, "2 min"],
    [3600 * 1.5, "1 h 30 min"],
  ])("%s seconds are %s", (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });
});

describe("a comparison", () => {
  const image = (...objects: readonly (readonly [category: string, x: number, side: number])[]): LabelledImage => ({
    file: "a.png",
    ...size,
    labelled: true,
    objects: objects.map(([category, x, side]) => ({ category, shape: { kind: "mask", rle: square(x, side) } })),
  });

  test("matches objects by their masks, whatever their order", () => {
    const before = image(["cat", 0, 6], ["dog", 10, 6], ["cat", 16, 3]);
    const after = image(["bird", 10, 6], ["cat", 0, 7], ["cow", 18, 2]);
    const one = compareImage("a.png", before, after);
    expect(one.pairs.map(({ before: b, after: a, changed }) => [b, a, changed])).toEqual([
      [1, 0, ["class"]],
      [0, 1, ["shape"]],
    ]);
    expect([one.removed, one.added, one.resized]).toEqual([[2], [2], false]);
    const report = comparisonReport("HEAD", "now | then", [one, compareImage("b.png", before, before)]);
    expect(report.counts).toEqual({
      images: 2,
      different: 1,
      same: 3,
      added: 1,
      removed: 1,
      shape: 1,
      class: 1,
      resized: 0,
    });
    const text = reportMarkdown(report);
    expect(text).toContain("# HEAD and now \\| then");
    expect(text).toContain("| a.png | cow | cat | dog → bird (IoU 1), cat (IoU 0.7347) |");
    expect(JSON.parse(JSON.stringify(report)).images).toHaveLength(1);
  });

  test("labels of another size are all removed and added, and said to be", () => {
    const one = compareImage("a.png", image(["cat", 0, 6]), { ...image(["cat", 0, 6]), width: 40, objects: [] });
    expect([one.resized, one.removed, one.pairs]).toEqual([true, [0], []]);
  });
});

describe("a filter", () => {
  const entry = (path: string, split: string, labelled: boolean, ...counts: ImageEntry["counts"]): ImageEntry => ({
    path,
    split,
    labelled,
    missing: false,
    counts,
    objects: counts.reduce((sum, [, n]) => sum + n, 0),
    named: undefined,
  });
  const entries = [
    entry("train/Cat1.png", "train", true, ["cat", 4]),
    entry("train/dog.png", "train", false),
    entry("val/cat2.png", "val", true, ["cat", 1], ["dog", 1]),
    entry("val/x.png", "val", false),
  ];
  const facts = (path: string): ImageFacts => (path === "val/x.png" ? { drafts: 2, best: 0.4, problems: 1 } : noFacts);

  test.each<[Filter, readonly number[]]>([
    [{}, [0, 1, 2, 3]],
    [{ search: "CAT" }, [0, 2]],
    [{ search: "val /c.t\\d/" }, [2]],
    [{ search: "objects>=2" }, [0, 2]],
    [{ search: "score<0.5" }, [3]],
    [{ split: "val" }, [2, 3]],
    [{ category: "dog" }, [2]],
    [{ state: "unlabelled" }, [1, 3]],
    [{ state: "draft" }, [3]],
    [{ state: "accepted", split: "train" }, [0]],
    [{ state: "problem" }, [3]],
  ])("%j", (filter, places) => {
    expect([...(filterEntries(entries, filter, facts) as Uint32Array)]).toEqual(places);
  });

  test("a search that makes no sense is said, and stops nothing", () => {
    expect(filterEntries(entries, { search: "/(/" }, facts)).toMatch(/Invalid regular expression/);
  });

  test("the next unlabelled one comes round again", () => {
    const all = Uint32Array.of(0, 1, 2, 3);
    expect([-1, 1, 3].map((after) => nextUnlabelled(entries, all, after))).toEqual([1, 3, 1]);
    expect(nextUnlabelled(entries, Uint32Array.of(0, 2), 0)).toBe(-1);
  });

  test("counts splits, classes and states", () => {
    const { splits, categories, states } = countEntries(entries, ["cat", "dog", "cow"], facts);
    expect([...splits]).toEqual([
      ["train", 2],
      ["val", 2],
    ]);
    expect(categories.get("cat")).toEqual({ images: 2, objects: 5 });
    expect(categories.get("cow")).toEqual({ images: 0, objects: 0 });
    expect([...states]).toEqual([
      ["unlabelled", 2],
      ["draft", 1],
      ["accepted", 2],
      ["problem", 1],
    ]);
  });
});

test.each([
  ["images/val2017/a.jpg", "val"],
  ["data/train/latest/1.png", "train"],
  ["annotations/instances_validation", "val"],
  ["protest/trainer/a.jpg", undefined],
])("%s is of %s", (path, split) => {
  expect(splitOfPath(path)).toBe(split);
});

test("lists and folders come before words of the path", () => {
  const rules = new SplitRules();
  rules.list("./images/a.jpg\nbear\n", "val");
  rules.folder("images/train", "test");
  rules.folder("both", "train");
  rules.folder("both", "val");
  const of = (path: string): string | undefined => rules.of(path);
  expect(["images/a.jpg", "JPEGImages/480p/bear/0.jpg", "images/train/b.jpg", "both/test/c.jpg"].map(of)).toEqual([
    "val",
    "val",
    "test",
    "test",
  ]);
});
