import { compressRle, encodeRle, type Mask, MaskletError, maskArea } from "@masklet/core";
import { random } from "@masklet/core/test/checkpoint-files";
import {
  invertVideoStep,
  VideoEditorSession,
  type VideoSessionEvent,
  type VideoStep,
  videoStepText,
} from "@masklet/editor";
import { commands } from "@masklet/editor/test/commands";
import { drawn, reported } from "@masklet/editor/test/engine";
import { DrawingTracker, moved } from "@masklet/editor/test/tracker";
import { beforeEach, describe, expect, test } from "vitest";

const size = { width: 40, height: 30, count: 12 };
let tracker: DrawingTracker;
let session: VideoEditorSession;
let events: VideoSessionEvent[];

const start = (): VideoEditorSession =>
  new VideoEditorSession(size, { tracking: new DrawingTracker(size.width, size.height, size.count) });

beforeEach(() => {
  tracker = new DrawingTracker(size.width, size.height, size.count);
  session = new VideoEditorSession(size, { tracking: tracker });
  events = [];
  session.subscribe((event) => events.push(event));
});

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const texts = (one: VideoEditorSession = session): readonly string[] => one.save().past.map((s) => videoStepText(s));
const bytes = (one: VideoEditorSession): string => JSON.stringify(one.document);
const noPrompt = { points: [], labels: [], box: null, lasso: null, isRefinement: false };
const frames = (id: number): readonly number[] => Object.keys(session.object(id).frames).map(Number);
const disc = (x: number, y: number): Mask => drawn({ points: [[x, y]] }, size.width, size.height)[1] as Mask;

/** Holds the tracker until it is called. */
function held(): () => void {
  let go = (): void => {};
  tracker.hold = new Promise((resolve) => {
    go = resolve;
  });
  return go;
}

describe("drift", () => {
  /** Tracked without an event; then one frame is made another. */
  async function tracked(frame: number, change: object): Promise<readonly number[]> {
    await session.frameEditor.addPoint([10, 15]);
    await session.track();
    const [object] = session.document.objects;
    const frames = { ...object?.frames, [frame]: { ...object?.frames[frame], ...change } };
    const document = { ...session.document, objects: [{ ...object, frames }] } as typeof session.document;
    return new VideoEditorSession(document).driftFrames(1);
  }
  const counts = (mask: Mask): string => compressRle(encodeRle(mask)).counts;

  test.each([
    ["a score that falls and comes back", { score: 0.55 }, [5]],
    ["a score that falls a little", { score: 0.65 }, []],
    ["a score below half", { score: 0.49 }, [5]],
    ["an object that goes and comes", { mask: counts(drawn({ points: [] }, 40, 30)[1] as Mask) }, [5, 6]],
    ["a mask elsewhere, and back again", { mask: counts(disc(32, 15)) }, [5, 6]],
    ["what a person made of a frame", { score: 0.1, prompt: { ...noPrompt, isRefinement: true } }, []],
  ])("%s", async (_, change, expected) => {
    expect(await tracked(5, change)).toEqual(expected);
  });

  test("is of an object that is there", () => {
    expect(() => session.driftFrames(2)).toThrow(code("no-object"));
  });
});

describe("prompts and tracking", () => {
  test("an object that is clicked is followed to the end, as one step; the clicked frame stays as it was", async () => {
    await session.frameEditor.addPoint([10, 15]);
    const step = await session.track();
    expect(tracker.asked).toEqual(["prompt 1 on 0: 1", "track from 0"]);
    expect([step?.name, step?.object, step?.frame, step?.count]).toEqual(["track", 1, null, 11]);
    expect(texts()).toEqual(["Prompt", "Track (11)"]);
    expect(session.mask(1, 0)).toEqual(disc(10, 15));
    expect(session.mask(1, 7)).toEqual(moved(disc(10, 15), 7));
    expect(session.object(1).frames[0]).toMatchObject({ score: 0.75, objectScore: 8, prompt: { labels: [1] } });
    expect(session.object(1).frames[7]).toMatchObject({ score: 0.75, objectScore: 8, prompt: null });
  });

  test("where it has left the picture it is absent, and says so", async () => {
    const far = new VideoEditorSession({ ...size, count: 60 }, { tracking: new DrawingTracker(40, 30, 60) });
    await far.frameEditor.addPoint([34, 15]);
    await far.track();
    const last = far.object(1).frames[59];
    expect(maskArea(far.mask(1, 59) as Mask)).toBe(0);
    expect(last?.objectScore).toBe(-8);
  });

  test("corrected at any frame and tracked on: earlier frames stay, later ones follow the correction", async () => {
    await session.frameEditor.addPoint([10, 15]);
    await session.track();
    session.seek(5);
    session.select(1);
    await session.frameEditor.addPoint([25, 10]);
    const at5 = session.mask(1, 5) as Mask;
    expect(session.promptedFrames(1)).toEqual([0, 5]);
    await session.track();
    expect(session.mask(1, 4)).toEqual(moved(disc(10, 15), 4));
    expect(session.mask(1, 5)).toEqual(at5);
    expect(session.mask(1, 8)).toEqual(moved(at5, 3));
    expect(texts()).toEqual(["Prompt", "Track (11)", "Prompt", "Track (6)"]);
  });

  test("objects join later, and are followed both ways", async () => {
    await session.frameEditor.addPoint([10, 15]);
    await session.track();
    session.seek(6);
    session.select(null);
    await session.frameEditor.setBox([20, 4, 30, 12]);
    expect(frames(2)).toEqual([6]);
    await session.track({ reverse: true, count: 3 });
    expect(frames(2)).toEqual([4, 5, 6]);
    await session.track();
    expect(frames(2)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect(session.mask(1, 2)).toEqual(moved(disc(10, 15), 2));
  });

  test("what a person painted on a frame is shown to the tracker, and not changed by it", async () => {
    session.seek(3);
    session.frameEditor.paintStroke([[12, 12]], 5);
    const painted = session.mask(1, 3) as Mask;
    await session.track({ start: 0 });
    expect(tracker.asked).toEqual([`mask 1 on 3: ${maskArea(painted)}`, "track from 0"]);
    expect(session.mask(1, 3)).toEqual(painted);
    expect(session.mask(1, 0)).toEqual(moved(painted, -3));
    session.frameEditor.grow(1);
    await session.track({ count: 2 });
    expect(tracker.asked.slice(2)).toEqual([`mask 1 on 3: ${maskArea(session.mask(1, 3) as Mask)}`, "track from 3"]);
  });

  test("an erased object is absent on that frame; the tracker leaves it so", async () => {
    await session.frameEditor.addPoint([10, 15]);
    await session.track();
    session.seek(4);
    session.frameEditor.paintStroke([[14, 15]], 20, "erase");
    expect(maskArea(session.mask(1, 4) as Mask)).toBe(0);
    await session.track({ start: 0 });
    expect(maskArea(session.mask(1, 4) as Mask)).toBe(0);
    expect(maskArea(session.mask(1, 5) as Mask)).toBeGreaterThan(0);
  });

  test("a lasso is shown as its inside", async () => {
    await session.frameEditor.setLasso([5, 5, 15, 5, 15, 15, 5, 15]);
    expect(tracker.asked).toEqual(["mask 1 on 0: 100", "prompt 1 on 0: 0 box"]);
    await session.frameEditor.addPoint([8, 8]);
    expect(session.object(1).frames[0]?.prompt).toMatchObject({ labels: [1], lasso: expect.anything() });
  });

  test("names, classes and states are the object's on all frames; a mask is the frame's", async () => {
    await session.frameEditor.addPoint([10, 15]);
    await session.track();
    session.frameEditor.setClasses([{ name: "cat", colour: null }]);
    session.frameEditor.setClass("cat");
    session.seek(9);
    session.frameEditor.rename("Tom");
    session.frameEditor.setState("accepted", [1]);
    session.frameEditor.grow(2);
    session.seek(0);
    expect(session.frameEditor.object(1)).toMatchObject({ name: "Tom", class: "cat", state: "accepted" });
    expect(session.mask(1, 0)).toEqual(disc(10, 15));
    expect(session.object(1).frames[9]?.prompt).toMatchObject({ isRefinement: true });
  });

  test("merged objects are merged on every frame, and come apart again", async () => {
    await session.frameEditor.addPoint([10, 15]);
    session.select(null);
    await session.frameEditor.addPoint([20, 8]);
    await session.track({ count: 4 });
    const before = bytes(session);
    const areas = [1, 2].map((id) => maskArea(session.mask(id, 3) as Mask));
    session.frameEditor.merge([1, 2]);
    expect(session.document.objects.map(({ id }) => id)).toEqual([1]);
    const merged = maskArea(session.mask(1, 3) as Mask);
    expect(merged).toBeGreaterThan(Math.max(...areas));
    session.undo();
    expect(bytes(session)).toBe(before);
  });

  test("a slow tracker queues no clicks: those that come meanwhile are one step", async () => {
    const go = held();
    const clicks = [session.frameEditor.addPoint([10, 10]), session.frameEditor.addPoint([14, 10])];
    expect(session.frameEditor.pending).toHaveLength(1);
    go();
    await Promise.all(clicks);
    expect(texts()).toEqual(["Prompt (2)"]);
    expect(tracker.asked.at(-1)).toBe("prompt 1 on 0: 2");
    expect(tracker.asked).toHaveLength(1);
  });

  test("another frame gives up the click that waits", async () => {
    const go = held();
    const click = session.frameEditor.addPoint([10, 10]);
    session.seek(2);
    go();
    expect(await click).toBeUndefined();
    expect(session.document.objects).toEqual([]);
  });
});

describe("stopping", () => {
  test("what was tracked until then is a step; the document has each frame as it comes", async () => {
    await session.frameEditor.addPoint([10, 15]);
    events.length = 0;
    tracker.onFrame = (frame) => {
      if (frame !== 5) return;
      expect(frames(1)).toEqual([0, 1, 2, 3, 4]);
      session.stop();
    };
    const step = await session.track();
    expect(step?.count).toBe(4);
    expect(frames(1)).toEqual([0, 1, 2, 3, 4]);
    expect(session.trackingState).toBeNull();
    expect(events.map(({ type }) => type)).toEqual([...Array(6).fill("tracking"), "tracking", "step"]);
  });

  test("any command stops it, and is a step of its own", async () => {
    await session.frameEditor.addPoint([10, 15]);
    tracker.onFrame = (frame) => {
      if (frame === 3) session.frameEditor.paintStroke([[30, 25]], 2);
    };
    await session.track();
    expect(texts()).toEqual(["Prompt", "Track (2)", "Brush"]);
    session.undo();
    session.undo();
    expect(frames(1)).toEqual([0]);
  });

  test("a click while it goes on stops it, and is answered", async () => {
    await session.frameEditor.addPoint([10, 15]);
    let click: Promise<unknown> | undefined;
    tracker.onFrame = (frame) => {
      if (frame === 3) click = session.frameEditor.addPoint([12, 15]);
    };
    await session.track();
    await click;
    expect(texts()).toEqual(["Prompt", "Track (2)", "Prompt"]);
  });

  test("a tracker that fails keeps what was done, and says why", async () => {
    await session.frameEditor.addPoint([10, 15]);
    tracker.onFrame = (frame) => {
      if (frame === 2) tracker.failure = new Error("no memory left");
    };
    await expect(session.track()).rejects.toThrow("no memory left");
    expect(frames(1)).toEqual([0, 1]);
    expect(events.filter(({ type }) => type === "error")).toHaveLength(1);
    tracker.failure = undefined;
    tracker.onFrame = () => {};
    expect((await session.track())?.count).toBe(10);
  });

  test("a listener that throws stops nothing: all frames are tracked, and one step", async () => {
    session.subscribe(({ type }) => {
      throw new Error(`no place for ${type}`);
    });
    const errors = await reported(async () => {
      await session.frameEditor.addPoint([10, 15]);
      events.length = 0;
      expect((await session.track())?.count).toBe(11);
      session.undo();
    });
    expect(errors.slice(-events.length)).toEqual(events.map(({ type }) => new Error(`no place for ${type}`)));
    expect(events.map(({ type }) => type)).toEqual([...Array(14).fill("tracking"), "step", "step"]);
    expect(session.trackingState).toBeNull();
    expect(frames(1)).toEqual([0]);
    expect(texts()).toEqual(["Prompt"]);
  });

  test("nothing to track, no tracker, and no such frame are refused by name", async () => {
    await expect(session.track()).rejects.toEqual(code("nothing-to-track"));
    expect(session.trackingState).toBeNull();
    session.tracking = undefined;
    await expect(session.track()).rejects.toEqual(code("no-engine"));
    expect(() => session.seek(12)).toThrow(expect.objectContaining({ code: "editor-option" }));
    expect(() => session.clearFrame(1)).toThrow(expect.objectContaining({ code: "no-object" }));
    await expect(session.track({ from: 3 } as never)).rejects.toEqual(code("unknown-option"));
  });
});

describe("undo, and what the tracker is told of it", () => {
  test("each step goes back to the frame it was made on; the tracker learns of it when it is asked", async () => {
    await session.frameEditor.addPoint([10, 15]);
    await session.track();
    session.seek(5);
    session.frameEditor.paintStroke([[30, 25]], 3);
    session.seek(8);
    session.undo();
    expect([session.frame, session.undoStep?.name]).toEqual([5, "track"]);
    session.undo();
    expect([session.frame, frames(1)]).toEqual([5, [0]]);
    session.undo();
    expect([session.frame, session.document.objects]).toEqual([0, []]);
    tracker.asked.length = 0;
    await session.frameEditor.addPoint([20, 8]);
    expect(tracker.asked).toEqual(["remove 1", "prompt 1 on 0: 1"]);
    expect(session.mask(1, 0)).toEqual(disc(20, 8));
  });

  test("a prompt that was undone is none any more; one that came back is shown as its mask", async () => {
    await session.frameEditor.addPoint([10, 15]);
    session.seek(6);
    session.select(1);
    await session.frameEditor.addPoint([30, 15]);
    session.undo();
    tracker.asked.length = 0;
    await session.track({ start: 0 });
    expect(tracker.asked).toEqual(["clear 1 on 6", "track from 0"]);
    expect(session.mask(1, 6)).toEqual(moved(disc(10, 15), 6));
    session.undo();
    session.redo();
    session.undo();
    expect(frames(1)).toEqual([0]);
    session.frameEditor.remove(1);
    session.undo();
    tracker.asked.length = 0;
    await session.track({ start: 0, count: 3 });
    expect(tracker.asked).toEqual(["track from 0"]);
  });

  test("the object that was removed is forgotten", async () => {
    await session.frameEditor.addPoint([10, 15]);
    session.select(null);
    await session.frameEditor.addPoint([30, 8]);
    session.frameEditor.remove(1);
    tracker.asked.length = 0;
    await session.track();
    expect(tracker.asked).toEqual(["remove 1", "track from 0"]);
  });

  test("a frame is cleared, and the object with its last one", async () => {
    await session.frameEditor.addPoint([10, 15]);
    await session.track({ count: 3 });
    expect(session.clearFrame(1, 2)?.name).toBe("clear-frame");
    expect(session.clearFrame(1, 2)).toBeUndefined();
    expect(frames(1)).toEqual([0, 1]);
    session.clearFrame(1, 1);
    session.clearFrame(1);
    expect(session.document.objects).toEqual([]);
    for (let i = 0; i < 3; i++) session.undo();
    expect(frames(1)).toEqual([0, 1, 2]);
  });
});

describe("kept by a host", () => {
  test("saved and loaded with another tracker, it is shown what was shown, and goes on", async () => {
    await session.frameEditor.addPoint([10, 15]);
    await session.track({ count: 6 });
    session.seek(5);
    const again = VideoEditorSession.load(JSON.parse(JSON.stringify(session.save())), {
      tracking: new DrawingTracker(size.width, size.height, size.count),
    });
    expect(JSON.stringify(again.save())).toBe(JSON.stringify(session.save()));
    const { asked } = again.tracking as DrawingTracker;
    const area = (frame: number): number => maskArea(session.mask(1, frame) as Mask);
    await again.track();
    expect(asked).toEqual([`mask 1 on 0: ${area(0)}`, `mask 1 on 5: ${area(5)}`, "track from 5"]);
    await session.track();
    expect(bytes(again)).toBe(bytes(session));
    again.undo();
    again.undo();
    expect(Object.keys(again.object(1).frames)).toEqual(["0"]);
  });

  test("masks of a file are tracked on from the frame where they are", async () => {
    session.seek(4);
    session.frameEditor.addObjects([{ mask: encodeRle(disc(10, 15)), name: "ball" }]);
    await session.track();
    expect(session.mask(1, 9)).toEqual(moved(disc(10, 15), 5));
  });

  test("a host with an undo of its own takes steps back and does them again", async () => {
    const own = new VideoEditorSession(size, { tracking: tracker, historyLimit: 0 });
    const view = new VideoEditorSession(size, { historyLimit: 0 });
    const history: VideoStep[] = [];
    own.subscribe((event) => {
      if (event.type !== "step" || event.origin !== "command") return;
      const sent: VideoStep = JSON.parse(JSON.stringify(event.step));
      history.push(sent);
      view.take(sent);
    });
    await own.frameEditor.addPoint([10, 15]);
    await own.track({ count: 4 });
    own.frameEditor.rename("one");
    expect(bytes(view)).toBe(bytes(own));
    expect(own.undoStep).toBeUndefined();
    for (const step of history.toReversed()) own.take(invertVideoStep(step));
    expect(bytes(own)).toBe(bytes(new VideoEditorSession(size)));
    expect(() => own.take(history[1] as VideoStep)).toThrow(expect.objectContaining({ code: "conflict" }));
  });

  test.each([
    ["a frame past the end", { kind: "frame", id: 1, frame: 12, before: null, after: null }],
    ["a mask of another size", { kind: "frame", id: 1, frame: 0, before: null, after: { mask: "1", score: null } }],
    ["a picture's change", { kind: "mask", id: 1, diff: "", before: 1, after: 2 }],
    ["a field that is a frame's", { kind: "fields", id: 1, before: { score: 1 }, after: { score: 2 } }],
  ])("a step with %s is malformed", (_, change) => {
    const step = { name: "track", object: 1, frame: null, count: 1, changes: [change] } as unknown as VideoStep;
    expect(() => session.take(step)).toThrow(expect.objectContaining({ code: "step-malformed" }));
  });

  test("a document that is none is refused", () => {
    const document = { version: 1, ...size, nextId: 2, classes: [], objects: [] };
    expect(() => new VideoEditorSession({ ...document, count: 0 } as never)).toThrow(MaskletError);
    expect(() => new VideoEditorSession({ width: 3, height: 3 } as never)).toThrow(MaskletError);
    const object = {
      id: 1,
      name: null,
      class: null,
      state: "draft",
      edge: { feather: 0, decontaminate: 0 },
      frames: {},
    };
    expect(new VideoEditorSession({ ...document, objects: [object] } as never).object(1).frames).toEqual({});
    for (const wrong of [{ frames: { 12: {} } }, { class: "cat" }, { id: 2 }, { frames: { x: {} } }]) {
      const broken = { ...document, objects: [{ ...object, ...wrong }] };
      expect(() => new VideoEditorSession(broken as never)).toThrow(
        expect.objectContaining({ code: "document-malformed" }),
      );
    }
  });
});

describe.each([1, 2, 3])("100 random commands, series %i", (seed) => {
  const names = [
    ...Object.keys(commands).filter((name) => name !== "undo" && name !== "redo"),
    "seek",
    "track",
    "clear",
  ];
  const run = async (one: VideoEditorSession, name: string, next: () => number): Promise<void> => {
    const before = bytes(one);
    try {
      if (name === "seek") one.seek(Math.floor(next() * size.count));
      else if (name === "track") await one.track({ count: 1 + Math.floor(next() * 4), reverse: next() < 0.3 });
      else if (name === "clear") one.clearFrame(one.document.objects[0]?.id ?? 0);
      else await commands[name]?.(one.frameEditor, next);
    } catch (error) {
      expect(error).toBeInstanceOf(MaskletError);
      expect(bytes(one)).toBe(before);
    }
  };

  test("undone give the same bytes, redone again; saved in the middle, the same history", async () => {
    const next = random(seed);
    const session = start();
    for (let i = 0; i < 100; i++) await run(session, names[Math.floor(next() * names.length)] as string, next);
    const end = bytes(session);
    const again = VideoEditorSession.load(JSON.parse(JSON.stringify(session.save())));
    expect(JSON.stringify(again.save())).toBe(JSON.stringify(session.save()));
    let count = 0;
    for (; session.undoStep !== undefined; session.undo()) count++;
    expect(count).toBeGreaterThan(20);
    expect(bytes(session)).toBe(bytes(start()));
    while (session.redo());
    expect(bytes(session)).toBe(end);
    const shown = new VideoEditorSession(session.document);
    shown.seek(session.frame);
    expect(session.frameEditor.document).toEqual(shown.frameEditor.document);
  });
});
