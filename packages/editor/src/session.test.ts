import {
  type CompressedRle,
  compressRle,
  encodeRle,
  ImagePredictor,
  loadSam2,
  type Mask,
  type MaskLogits,
  maskArea,
  type Point,
  writeSafetensors,
} from "@masklet/core";
import type { RemoteImagePredictor } from "@masklet/core/remote";
import { toyConfig, toyTensors } from "@masklet/core/test/toy-sam2";
import { createReferenceBackend } from "@masklet/core/testing";
import { EditorSession, type PromptEngine, type SessionEvent, type Step, stepText } from "@masklet/editor";
import { DrawingEngine, drawn, PatientEngine, reported } from "@masklet/editor/test/engine";
import { beforeEach, describe, expect, expectTypeOf, test } from "vitest";

const size = { width: 40, height: 30 };
let engine: DrawingEngine;
let session: EditorSession;
let events: SessionEvent[];

beforeEach(() => {
  engine = new DrawingEngine(size.width, size.height);
  session = new EditorSession(size, { engine });
  events = [];
  session.subscribe((event) => events.push(event));
});

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const texts = (): readonly string[] => session.save().past.map((step) => stepText(step));
const selected = (): number => session.selected ?? Number.NaN;

/** Holds the engine until it is called. */
function held(): () => void {
  let go = (): void => {};
  engine.hold = new Promise((resolve) => {
    go = resolve;
  });
  return go;
}

describe("prompts", () => {
  test("one click makes a draft of the best of three masks, and selects it", async () => {
    const step = await session.addPoint([20, 15]);
    expect(session.document.objects).toHaveLength(1);
    expect(session.object(1)).toMatchObject({ state: "draft", score: 0.9, candidate: 1, class: null });
    expect(session.object(1).candidates.map(({ score }) => score)).toEqual([0.7, 0.9, 0.5]);
    expect(session.mask(1)).toEqual(drawn({ points: [[20, 15]] }, 40, 30)[1]);
    expect(session.selected).toBe(1);
    expect(step).toMatchObject({ name: "prompt", object: 1, count: 1 });
    expect(events.map(({ type }) => type)).toEqual(["pending", "pending", "step", "selection"]);
  });

  test("clicks that outrun the model are one request and one step", async () => {
    const go = held();
    const clicks = [session.addPoint([10, 10]), session.addPoint([14, 10]), session.addPoint([30, 20], 0)];
    expect(session.pending).toEqual([
      {
        object: null,
        prompt: expect.objectContaining({
          labels: [1, 1, 0],
          points: [
            [10, 10],
            [14, 10],
            [30, 20],
          ],
        }),
      },
    ]);
    go();
    const steps = await Promise.all(clicks);
    expect(new Set(steps).size).toBe(1);
    expect(texts()).toEqual(["Prompt (3)"]);
    expect(session.pending).toEqual([]);
    // Three clicks are not ambiguous.
    expect(session.object(1).candidates).toEqual([]);
  });

  test("clicks on two objects do not supersede each other", async () => {
    const go = held();
    const first = session.addPoint([10, 10]);
    session.select(null);
    const second = session.addPoint([30, 20]);
    expect(session.pending).toHaveLength(2);
    go();
    await Promise.all([first, second]);
    expect(texts()).toEqual(["Prompt", "Prompt"]);
    expect(session.document.objects.map(({ prompt }) => prompt.points)).toEqual([[[10, 10]], [[30, 20]]]);
    // The person turned away from the first.
    expect(session.selected).toBe(2);
  });

  test("more clicks go to the same object, without its mask", async () => {
    await session.addPoint([20, 15]);
    await session.addPoint([30, 15]);
    expect(engine.asked[1]).toEqual({
      points: [
        [20, 15],
        [30, 15],
      ],
      labels: [1, 1],
    });
    expect(session.document.objects).toHaveLength(1);
  });

  test("an existing mask is refined: the model sees it", async () => {
    const mask: Mask = { ...size, data: new Uint8Array(1200).fill(1, 0, 600) };
    session.addObjects([{ mask, name: "sky" }]);
    session.select(1);
    await session.addPoint([5, 5], 0);
    const { maskInput, points } = engine.asked[0] as { maskInput: MaskLogits; points: unknown };
    expect([maskInput.width, maskInput.height]).toEqual([16, 16]);
    expect([maskInput.data[0], maskInput.data[255]].map((logit = 0) => Math.round(logit))).toEqual([10, -10]);
    expect(points).toEqual([[5, 5]]);
    expect(session.object(1)).toMatchObject({ name: "sky", state: "accepted" });
    expect(maskArea(session.mask(1))).toBeLessThan(600);
    session.undo();
    expect(session.mask(1)).toEqual(mask);
  });

  test("a brushed mask is refined too, and so is another candidate", async () => {
    await session.addPoint([20, 15]);
    session.chooseCandidate(0);
    expect(session.mask(1)).toEqual(drawn({ points: [[20, 15]] }, 40, 30)[0]);
    expect(session.object(1)).toMatchObject({ score: 0.7, candidate: 0 });
    expect(session.chooseCandidate(0)).toBeUndefined();
    await session.addPoint([22, 15]);
    expect(engine.asked[1]).toHaveProperty("maskInput");
    session.paintStroke([[30, 20]], 3);
    expect(session.object(1)).toMatchObject({ score: null, prompt: { points: [] }, candidates: [] });
    await session.addPoint([30, 22]);
    expect(engine.asked[2]).toHaveProperty("maskInput");
    expect(texts()).toEqual(["Prompt", "Other candidate", "Prompt", "Brush", "Prompt"]);
  });

  test("box, lasso and scribble", async () => {
    await session.setBox([5, 5, 20, 20]);
    expect(engine.asked[0]).toEqual({ box: [5, 5, 20, 20] });
    session.select(null);
    await session.setLasso([10, 10, 30, 10, 30, 20, 10, 20]);
    expect(engine.asked[1]).toMatchObject({ box: [10, 10, 30, 20] });
    expect(engine.asked[1]?.maskInput?.data.some((logit) => logit > 0)).toBe(true);
    session.select(null);
    await session.addScribble([
      [10, 10],
      [10, 20],
      [24, 20],
    ]);
    expect(engine.asked[2]?.points).toEqual(
      [0, 24 / 7, 48 / 7, 72 / 7, 96 / 7, 120 / 7, 144 / 7, 24].map((at) =>
        at <= 10 ? [10, expect.closeTo(10 + at)] : [expect.closeTo(at), 20],
      ),
    );
  });

  test("a prompt's point is taken back; with the last one the object goes", async () => {
    await session.addPoint([20, 15]);
    await session.addPoint([30, 15]);
    await session.removePoint(0);
    expect(session.object(1).prompt.points).toEqual([[30, 15]]);
    await session.removePoint(0);
    expect(session.document.objects).toEqual([]);
    session.undo();
    expect(session.object(1).prompt.points).toEqual([[30, 15]]);
    await expect(session.removePoint(0)).rejects.toThrow(code("nothing-selected"));
  });

  test("an object that changes under a prompt gives the prompt up", async () => {
    await session.addPoint([20, 15]);
    const go = held();
    const refused = session.addPoint([30, 15]);
    session.grow(2);
    const grown = session.mask(1);
    go();
    expect(await refused).toBeUndefined();
    await Promise.resolve();
    expect(session.mask(1)).toEqual(grown);
    expect(texts()).toEqual(["Prompt", "Grow"]);
  });

  test("undo gives up what waits before it takes back what is done", async () => {
    await session.addPoint([20, 15]);
    held();
    const waiting = session.addPoint([30, 15]);
    expect(session.undo()).toBeUndefined();
    expect(await waiting).toBeUndefined();
    expect(session.pending).toEqual([]);
    expect(session.document.objects).toHaveLength(1);
    expect(session.undo()).toMatchObject({ name: "prompt" });
    expect(session.document.objects).toEqual([]);
  });

  test("an engine that fails costs its request: the next click works", async () => {
    engine.failure = new Error("the worker is gone");
    await expect(session.addPoint([20, 15])).rejects.toThrow("the worker is gone");
    expect(events.at(-1)).toEqual({ type: "error", error: engine.failure });
    expect(session.pending).toEqual([]);
    engine.failure = undefined;
    await session.addPoint([20, 15]);
    expect(session.document.objects).toHaveLength(1);
  });

  test("refusals: no engine, outside the picture, nothing found", async () => {
    const bare = new EditorSession(size);
    await expect(bare.addPoint([1, 1])).rejects.toThrow(code("no-engine"));
    await expect(session.addPoint([41, 1])).rejects.toThrow(code("out-of-image"));
    await expect(session.addPoint([Number.NaN, 1])).rejects.toThrow(code("out-of-image"));
    await expect(session.addPoint([10, 10], 0)).rejects.toThrow(code("nothing-found"));
    expect(session.document.objects).toEqual([]);
  });

  test("a preview is the mask that the click would give, and no step; a click goes first", async () => {
    const rle = await session.preview([20, 15]);
    expect(session.document.objects).toEqual([]);
    const hovered = [session.preview([5, 5]), session.preview([6, 6])];
    expect(await hovered[0]).toBeUndefined();
    expect(await hovered[1]).toBeDefined();
    const [late, click] = [session.preview([9, 9]), session.addPoint([20, 15])];
    expect(await session.preview([8, 8])).toBeUndefined();
    expect(await late).toBeUndefined();
    await click;
    expect(session.rle(1)).toEqual(rle);
    await session.preview([30, 15]);
    expect(engine.asked.at(-1)?.points).toEqual([
      [20, 15],
      [30, 15],
    ]);
  });
});

describe("what leaves a session whole", () => {
  test("a listener that throws: steps are done, answered, remembered and told to others, and its error is reported", async () => {
    const told: string[] = [];
    const broken = new EditorSession(size, { engine });
    broken.subscribe(({ type }) => {
      throw new Error(`no place for ${type}`);
    });
    broken.subscribe(({ type }) => told.push(type));
    const errors = await reported(async () => {
      expect(await broken.addPoint([20, 15])).toMatchObject({ name: "prompt", object: 1 });
      broken.paintStroke([[5, 5]], 2);
      broken.undo();
      broken.redo();
      broken.undo();
      broken.remove(1);
      engine.failure = new Error("the worker is gone");
      await expect(broken.addPoint([20, 15])).rejects.toBe(engine.failure);
    });
    const step = ["pending", "pending", "step", "selection"];
    expect(told).toEqual([...step, "step", "step", "step", "step", "selection", "step", "pending", "pending", "error"]);
    expect(errors).toEqual(told.map((type) => new Error(`no place for ${type}`)));
    expect(broken.pending).toEqual([]);
    expect(broken.save()).toMatchObject({ document: { objects: [] }, selected: null, future: [] });
    expect(broken.save().past.map((done) => done.name)).toEqual(["prompt", "remove"]);
    EditorSession.load(broken.save());
  });

  describe("a preview that is overtaken shows nothing", () => {
    let slow: PatientEngine;
    beforeEach(() => {
      slow = new PatientEngine(40, 30);
      session.addObjects([{ mask: drawn({ points: [[8, 8]] }, 40, 30)[1] as Mask }]);
      session.engine = slow;
    });

    test("by a newer one, whichever is answered first; and its failure is nobody's", async () => {
      const previews = [[5, 5] as const, [20, 15] as const, [30, 15] as const].map((at) => session.preview(at));
      const [first, second, third] = slow.calls;
      third?.answer();
      second?.answer();
      first?.fail(new Error("out of memory"));
      const found = await Promise.all(previews);
      expect(found).toEqual([undefined, undefined, encodeOf([30, 15])]);
    });

    test.each<[by: string, act: () => unknown]>([
      ["a step", () => session.rename("a")],
      ["undo", () => session.undo()],
      ["another selection", () => session.select(null)],
      ["another document", () => session.replace(new EditorSession(size).document)],
      ["another engine", () => (session.engine = engine)],
      ["no engine", () => (session.engine = undefined)],
    ])("by %s", async (_, act) => {
      session.select(1);
      const [answered, failed] = [session.preview([20, 15]), session.preview([21, 15])];
      act();
      slow.calls[0]?.answer();
      slow.calls[1]?.fail(new Error("the worker is gone"));
      expect([await answered, await failed]).toEqual([undefined, undefined]);
      session.engine = engine;
      session.select(null);
      expect(await session.preview([20, 15])).toEqual(encodeOf([20, 15]));
    });

    test("what fails for another reason says so", async () => {
      const preview = session.preview([20, 15]);
      slow.calls[0]?.fail(new Error("the worker is gone"));
      await expect(preview).rejects.toThrow("the worker is gone");
    });
  });

  test("an engine that is disposed of: what it was asked is refused, and the next one goes on", async () => {
    const model = await loadSam2(writeSafetensors(await toyTensors()), {
      backend: createReferenceBackend(),
      config: toyConfig,
    });
    const predictor = new ImagePredictor(model);
    await predictor.setImage({ ...size, channels: 3 as const, data: new Uint8Array(3600) });
    session.engine = predictor;
    await model.dispose();
    await expect(session.preview([20, 15])).rejects.toThrow(code("disposed"));
    await expect(session.addPoint([20, 15])).rejects.toThrow(code("disposed"));
    expect(session.pending).toEqual([]);
    expect(session.save()).toEqual(new EditorSession(size).save());
    session.engine = engine;
    await session.addPoint([20, 15]);
    expect(texts()).toEqual(["Prompt"]);
  });
});

/** The run lengths of what a click gives. */
const encodeOf = (point: Point): CompressedRle => compressRle(encodeRle(drawn({ points: [point] }, 40, 30)[1] as Mask));

describe("outlines", () => {
  const rect = (x0: number, y0: number, x1: number, y1: number): Mask => ({
    ...size,
    data: Uint8Array.from({ length: 1200 }, (_, i) => {
      const [x, y] = [i % 40, Math.floor(i / 40)];
      return Number(x >= x0 && x < x1 && y >= y0 && y < y1);
    }),
  });

  test("a corner that is moved moves the edges beside it, and nothing else; undo brings the bytes back", () => {
    const ragged = rect(5, 5, 25, 25);
    for (let y = 6; y < 25; y += 2) ragged.data[y * 40 + 4] = 1; // teeth on the left side, within the tolerance
    session.addObjects([{ mask: encodeRle(ragged) }]);
    session.select(1);
    const before = session.outline(2);
    expect(before).toHaveLength(1);
    const corners = before[0]?.length ?? 0;
    expect(corners).toBeLessThan(20);
    const after = before.map((ring) => ring.map((at, i, all) => (all[i - 1] === 25 && at === 5 ? 1 : at)));
    expect(after).not.toEqual(before);
    const step = session.reshape(before, after, 2);
    expect(step?.name).toBe("reshape");
    const now = session.mask(1);
    expect(maskArea(now)).toBeGreaterThan(maskArea(ragged) + 20);
    for (let y = 10; y < 25; y++) {
      expect(now.data.subarray(y * 40, y * 40 + 20)).toEqual(ragged.data.subarray(y * 40, y * 40 + 20));
    }
    session.undo();
    expect(session.mask(1)).toEqual(ragged);
  });

  test("corners come and go, holes too, and what stays as it was is no step", () => {
    const ring = rect(5, 5, 25, 25);
    for (let y = 10; y < 15; y++) for (let x = 10; x < 15; x++) ring.data[y * 40 + x] = 0;
    session.addObjects([{ mask: encodeRle(ring) }]);
    session.select(1);
    const rings = session.outline();
    expect(rings.map(({ length }) => length)).toEqual([8, 8]);
    expect(session.reshape(rings, rings)).toBeUndefined();
    // Without one of its corners a square is a triangle; without the hole's ring it is filled.
    const [outer = [], hole = []] = rings;
    const far = outer.findIndex((at, i) => i % 2 === 0 && at === 25 && outer[i + 1] === 25);
    session.reshape(rings, [outer.toSpliced(far, 2), hole]);
    expect(Math.abs(maskArea(session.mask(1)) - (400 / 2 - 25))).toBeLessThan(25);
    session.undo();
    session.reshape(rings, [outer], 0);
    expect(session.mask(1)).toEqual(rect(5, 5, 25, 25));
    session.undo();
    session.reshape(rings, [[...outer.slice(0, 2), 30, 2, ...outer.slice(2)], hole]);
    expect(maskArea(session.mask(1))).toBeGreaterThan(375);
  });

  test("the object goes with its last ring; none is selected, and no such reach, are refused", () => {
    session.addObjects([{ mask: encodeRle(rect(5, 5, 9, 9)) }]);
    expect(() => session.outline()).toThrow(expect.objectContaining({ code: "nothing-selected" }));
    session.select(1);
    const rings = session.outline();
    session.reshape(rings, []);
    expect(maskArea(session.mask(1))).toBe(0);
    expect(session.outline()).toEqual([]);
    expect(() => session.reshape(rings, [], -1)).toThrow(expect.objectContaining({ code: "editor-option" }));
  });
});

describe("edits by hand", () => {
  test("brush and eraser are exact, and a brush alone makes an object", () => {
    session.paintStroke(
      [
        [10.5, 10.5],
        [14.5, 10.5],
      ],
      1,
    );
    expect(session.selected).toBe(1);
    expect(maskArea(session.mask(1))).toBe(5 + 2 + 10);
    session.paintStroke([[10.5, 10.5]], 0.5, "erase");
    expect(session.mask(1).data[10 * 40 + 10]).toBe(0);
    expect(maskArea(session.mask(1))).toBe(16);
    expect(session.paintStroke([[0, 29]], 0.5, "erase")).toBeUndefined();
    expect(texts()).toEqual(["Brush", "Erase"]);
    session.select(null);
    expect(() => session.paintStroke([[10, 10]], 2, "erase")).toThrow(code("nothing-selected"));
  });

  test("a history of strokes is small: what changed, not what is there", () => {
    const big = new EditorSession({ width: 8000, height: 6000 });
    big.paintRing([100, 100, 7900, 100, 4000, 5900]);
    const whole = big.object(1).mask.length;
    big.paintStroke([[4000, 300]], 20, "erase");
    expect(whole).toBeGreaterThan(10_000);
    expect(JSON.stringify(big.undoStep).length).toBeLessThan(1200);
  });

  test("rings, growing, holes, specks, smoothing and inverting, each a step with its name", () => {
    session.paintRing([5, 5, 25, 5, 25, 25, 5, 25]);
    session.paintRing([10, 10, 20, 10, 20, 20, 10, 20], "erase");
    expect(maskArea(session.mask(1))).toBe(300);
    session.paintStroke([[35.5, 15.5]], 0.5);
    session.removeSpecks();
    session.fillHoles();
    expect(maskArea(session.mask(1))).toBe(400);
    session.grow(-2);
    expect(maskArea(session.mask(1))).toBe(256);
    session.grow(1);
    session.smooth(2);
    session.invert();
    expect(maskArea(session.mask(1))).toBeGreaterThan(800);
    expect(texts()).toEqual([
      "Brush",
      "Erase",
      "Brush",
      "Remove specks",
      "Fill holes",
      "Shrink",
      "Grow",
      "Smooth",
      "Invert",
    ]);
    // The square has become a hole.
    session.fillHoles();
    expect(maskArea(session.mask(1))).toBe(1200);
    expect(session.fillHoles()).toBeUndefined();
  });

  test("splits into parts and merges them again", () => {
    session.setClasses([{ name: "leaf", colour: null }]);
    session.setClass("leaf");
    session.paintRing([2, 2, 10, 2, 10, 10, 2, 10]);
    session.paintRing([20, 2, 34, 2, 34, 20, 20, 20]);
    session.rename("tree");
    const mask = session.mask(1);
    session.split();
    expect(session.document.objects.map(({ id, name, class: named }) => [id, name, named])).toEqual([
      [1, "tree", "leaf"],
      [2, "tree", "leaf"],
    ]);
    expect(session.document.objects.map(({ id }) => maskArea(session.mask(id)))).toEqual([252, 64]);
    session.merge([1, 2]);
    expect(session.mask(1)).toEqual(mask);
    expect(session.document.objects).toHaveLength(1);
    expect(session.document.nextId).toBe(3);
    expect(() => session.merge([1, 1])).toThrow(code("editor-option"));
  });

  test("an edge is cut as its settings say, the mask stays", () => {
    session.paintRing([5, 5, 25, 5, 25, 25, 5, 25]);
    const mask = session.mask(1);
    session.setEdge({ feather: 2 });
    session.setEdge({ decontaminate: 3 });
    expect(session.object(1).edge).toEqual({ feather: 2, decontaminate: 3 });
    expect(session.mask(1)).toEqual(mask);
    const image = { ...size, channels: 3 as const, data: new Uint8Array(3600).fill(100) };
    const cut = session.cutout(image, 1, { crop: true });
    expect([cut.width, cut.height]).toEqual([24, 24]);
    expect(cut.data[3]).toBeLessThan(60);
  });
});

describe("the list", () => {
  beforeEach(() => {
    const mask = encodeRle({ ...size, data: new Uint8Array(1200).fill(1, 0, 40) });
    session.addObjects([{ mask }, { mask, state: "draft", score: 0.4 }, { mask, state: "draft", score: 0.9 }]);
  });

  test("drafts are accepted as one step", () => {
    const drafts = session.document.objects.filter(({ score }) => (score ?? 0) > 0.5).map(({ id }) => id);
    session.setState("accepted", drafts);
    expect(session.document.objects.map(({ state }) => state)).toEqual(["accepted", "draft", "accepted"]);
    expect(session.setState("accepted", drafts)).toBeUndefined();
    session.undo();
    expect(session.document.objects.map(({ state }) => state)).toEqual(["accepted", "draft", "draft"]);
  });

  test("objects are moved, removed and come back where they were", () => {
    const ids = (): readonly number[] => session.document.objects.map(({ id }) => id);
    session.move(1, 2);
    expect(ids()).toEqual([2, 3, 1]);
    session.select(3);
    session.remove(3, 2);
    expect([ids(), session.selected]).toEqual([[1], null]);
    session.undo();
    session.undo();
    expect(ids()).toEqual([1, 2, 3]);
    expect(() => session.remove(7)).toThrow(code("no-object"));
  });

  test("classes: renamed with their objects, removed from them", () => {
    session.setClasses([
      { name: "cat", colour: [1, 2, 3] },
      { name: "dog", colour: null },
    ]);
    session.select(1);
    session.setClass("cat");
    session.select(2);
    session.setClass("dog");
    const step = session.setClasses([{ name: "lion", colour: null }], [["cat", "lion"]]) as Step;
    expect(stepText(step)).toBe("Change classes");
    expect(session.document.objects.map((object) => object.class)).toEqual(["lion", null, null]);
    expect(session.activeClass).toBeNull();
    expect(() => session.setClass("cat")).toThrow(code("no-class"));
    session.undo();
    expect(session.document.objects.map((object) => object.class)).toEqual(["cat", "dog", null]);
    expect(() =>
      session.setClasses([
        { name: "a", colour: null },
        { name: "a", colour: null },
      ]),
    ).toThrow(code("document-malformed"));
  });
});

describe("what comes from outside", () => {
  test("masks of another size, options and fields that there are not", () => {
    const other = encodeRle({ width: 3, height: 2, data: new Uint8Array(6) });
    expect(() => session.addObjects([{ mask: other }])).toThrow(code("mask-size-mismatch"));
    expect(() => new EditorSession(size, { history: 1 } as object)).toThrow(code("unknown-option"));
    expect(() => new EditorSession({ width: 0, height: 1 })).toThrow(code("document-malformed"));
    expect(() => new EditorSession(undefined as never)).toThrow(code("document-malformed"));
  });

  test("a broken save is refused, whichever part of it", async () => {
    session.setClasses([{ name: "cat", colour: null }]);
    session.setClass("cat");
    await session.addPoint([20, 15]);
    session.grow(1);
    session.undo();
    const good = JSON.stringify(session.save());
    expect(EditorSession.load(JSON.parse(good)).save()).toEqual(session.save());
    const broken: readonly (readonly [expected: string, change: (saved: Save) => void])[] = [
      ["document-malformed", (saved) => Object.assign(saved, { version: 2 })],
      ["document-malformed", (saved) => Object.assign(saved.document, { width: 41 })],
      ["document-malformed", (saved) => Object.assign(saved.document.objects[0] ?? {}, { class: "dog" })],
      ["document-malformed", (saved) => Object.assign(saved.document.objects[0] ?? {}, { candidate: 3 })],
      ["document-malformed", (saved) => Object.assign(saved.document, { nextId: 1 })],
      ["step-malformed", (saved) => Object.assign(saved.past[0] ?? {}, { name: "dance" })],
      ["step-malformed", (saved) => Object.assign(saved.past[1]?.changes[0] ?? {}, { kind: "mood" })],
      ["step-malformed", (saved) => saved.past.pop()],
      ["conflict", (saved) => Object.assign(saved.future[0]?.changes[1] ?? {}, { before: 1 })],
      ["no-object", (saved) => Object.assign(saved, { selected: 9 })],
      ["no-class", (saved) => Object.assign(saved, { activeClass: "dog" })],
    ];
    for (const [expected, change] of broken) {
      const saved = JSON.parse(good);
      change(saved);
      expect(() => EditorSession.load(saved), String(change)).toThrow(code(expected));
    }
    for (const other of [null, [], "{}", 1]) {
      expect(() => EditorSession.load(other)).toThrow(code("document-malformed"));
    }
  });
});

test("a predictor answers as it is, here or in a worker", async () => {
  expectTypeOf<ImagePredictor<string>>().toExtend<PromptEngine>();
  expectTypeOf<RemoteImagePredictor>().toExtend<PromptEngine>();
  const backend = createReferenceBackend();
  const model = await loadSam2(writeSafetensors(await toyTensors()), { backend, config: toyConfig });
  const predictor = new ImagePredictor(model);
  const image = { ...size, channels: 3 as const, data: Uint8Array.from({ length: 3600 }, (_, i) => i % 251) };
  await predictor.setImage(image);
  const real = new EditorSession(size, { engine: predictor });
  const { masks, iouPredictions, best } = await predictor.predict({ points: [[20, 15]] });
  await real.addPoint([20, 15]);
  const object = real.object(1);
  expect(object.candidates.map(({ score }) => score)).toEqual(iouPredictions);
  expect(object.candidates).toHaveLength(masks.length);
  expect(real.mask(1)).toEqual(best);
  real.grow(1);
  await real.addPoint([10, 10]);
  expect(real.save().past).toHaveLength(3);
  await model.dispose();
});

interface Save {
  readonly document: { readonly objects: readonly object[] };
  readonly past: { readonly changes: readonly object[] }[];
  readonly future: readonly { readonly changes: readonly object[] }[];
}

test("an object that is selected is the one that commands are about", () => {
  session.paintStroke([[5, 5]], 2);
  expect(selected()).toBe(1);
  session.select(null);
  for (const command of [
    () => session.grow(1),
    () => session.invert(),
    () => session.split(),
    () => session.rename("a"),
    () => session.setEdge({ feather: 1 }),
    () => session.chooseCandidate(0),
  ]) {
    expect(command).toThrow(code("nothing-selected"));
  }
  expect(() => session.select(2)).toThrow(code("no-object"));
});
