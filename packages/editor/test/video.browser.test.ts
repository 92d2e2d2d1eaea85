/** The editor of videos under a person's hands: the events are the browser's own, sent to it from outside. */
import {
  type FrameSource,
  type Mask,
  maskArea,
  maskBox,
  parseConfig,
  type RawImage,
  type VideoTracker,
} from "@masklet/core";
import { RemoteClient, RemoteVideoPredictor } from "@masklet/core/remote";
import { framesFromFiles } from "@masklet/core/web";
import {
  type MaskletVideoEditorElement,
  type VideoEditorSession,
  type VideoSessionEvent,
  videoWords,
} from "@masklet/editor/video-element";
import { nanoModel } from "@masklet/model-nano";
import { beforeEach, describe, expect, test } from "vitest";
import { page, userEvent } from "vitest/browser";
import {
  axe,
  click,
  drawing,
  frames,
  type Look,
  look,
  markedWords,
  mouse,
  touch,
  unmarked,
  videoEditorWith,
} from "./page.web.ts";
import { DrawingTracker } from "./tracker.ts";

const [width, height, count] = [320, 240, 40];

let editor: MaskletVideoEditorElement;
let tracking: DrawingTracker;
let read: number[];

const session = (): VideoEditorSession => editor.session as VideoEditorSession;
const within = <E extends Element>(selector: string): E => editor.shadowRoot?.querySelector(selector) as E;
const named = (label: string): HTMLElement => within(`[aria-label="${label}"]`);
const slider = (): HTMLElement => within('[role="slider"]');
const status = (): string => within(".status").textContent ?? "";
const steps = (): readonly string[] =>
  session()
    .save()
    .past.map(({ name }) => name);
const known = (id: number): readonly number[] => Object.keys(session().object(id).frames).map(Number);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await frames(1);
}

/** Objects go to the right by a pixel with every frame. */
function video(): FrameSource {
  const still = drawing(width, height);
  return {
    size: { width, height },
    count,
    frame: async (index): Promise<RawImage | undefined> => {
      read.push(index);
      if (index < 0 || index >= count) return undefined;
      const data = new Uint8Array(still.data.length);
      for (let row = 0; row < height; row++) {
        const from = row * width * 3;
        data.set(still.data.subarray(from, from + (width - index) * 3), from + index * 3);
        data.set(still.data.subarray(from, from + index * 3), from);
      }
      return { ...still, data };
    },
  };
}

const tracker = (): VideoTracker =>
  ({
    start: () => {
      tracking = new DrawingTracker(width, height, count);
      return tracking;
    },
  }) as unknown as VideoTracker;

async function point(x: number, y: number): Promise<void> {
  const before = steps().length;
  await click(editor.editor, [x, y]);
  await until(() => steps().length > before);
}

beforeEach(async () => {
  await look({ width: 1100, height: 860 });
  read = [];
  editor = await videoEditorWith(video(), tracker());
});

describe("a video", () => {
  test("shown, tracked, corrected, tracked on: what is drawn moves with the frame", async () => {
    const events: VideoSessionEvent[] = [];
    editor.addEventListener("masklet-video", ({ detail }) => events.push(detail));
    await point(100, 100);
    expect(named("Track back")).toHaveProperty("disabled", true);
    named("Track on").click();
    await until(() => session().trackingState !== null);
    await until(() => session().trackingState === null);
    expect(known(1)).toHaveLength(count);
    // The view has gone with it.
    await until(() => editor.frame === count - 1);
    expect(status()).toBe("Tracked 39 frames");
    editor.frame = 20;
    await until(() => editor.frame === 20);
    await point(150, 60);
    await editor.track();
    expect(steps()).toEqual(["prompt", "track", "prompt", "track"]);
    expect(session().promptedFrames(1)).toEqual([0, 20]);
    expect(events.filter(({ type }) => type === "step")).toHaveLength(4);
    expect(maskArea(session().mask(1, 30) as Mask)).toBeGreaterThan(0);
  });

  test("stopped by its button, a part is tracked; Escape does so too", async () => {
    await point(100, 100);
    tracking.onFrame = (frame) => {
      if (frame === 6) named("Stop").click();
    };
    await editor.track();
    expect(known(1)).toEqual([0, 1, 2, 3, 4, 5]);
    tracking.onFrame = (frame) => {
      if (frame === 12)
        slider().dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true, composed: true }));
    };
    await editor.track();
    expect(known(1).at(-1)).toBe(11);
    expect(steps()).toEqual(["prompt", "track", "track"]);
  });

  test("keys go on where the button that was pressed is off then", async () => {
    await point(100, 100);
    named("Track on").focus();
    await userEvent.keyboard("{Enter}");
    await until(() => session().trackingState === null && editor.frame === count - 1);
    await userEvent.keyboard(",");
    await until(() => editor.frame === count - 2);
    await userEvent.keyboard("{Control>}z{/Control}");
    expect(steps()).toEqual(["prompt"]);
  });

  test("played: frames in order, to the end, and again from the start; a click pauses", async () => {
    editor.rate = 400;
    editor.play();
    expect(named("Pause")).toBeDefined();
    await until(() => !editor.isPlaying);
    await until(() => editor.frame === count - 1);
    expect(read.toSorted((a, b) => a - b)).toEqual(read);
    editor.rate = 1;
    named("Play").click();
    await until(() => editor.frame === 0);
    named("Next frame").click();
    expect(editor.isPlaying).toBe(false);
    await until(() => editor.frame === 1);
  });

  test("undo goes back to the frame it was made on, from the editor's button and by keys", async () => {
    await point(100, 100);
    editor.frame = 9;
    await until(() => editor.frame === 9);
    const undo = (): HTMLElement => editor.editor.shadowRoot?.querySelector('[aria-label^="Undo: "]') as HTMLElement;
    expect(undo().getAttribute("aria-label")).toBe("Undo: Prompt");
    undo().click();
    await until(() => editor.frame === 0);
    expect(session().document.objects).toEqual([]);
    slider().focus();
    await userEvent.keyboard("{Control>}y{/Control}");
    expect(session().document.objects).toHaveLength(1);
    await userEvent.keyboard("{Control>}z{/Control}");
    expect(session().document.objects).toHaveLength(0);
  });

  test("a frame that cannot be read is said, and the one before stays", async () => {
    const errors: unknown[] = [];
    editor.addEventListener("masklet-error", ({ detail }) => errors.push(detail.error));
    const broken: FrameSource = {
      ...video(),
      frame: async (index) => {
        if (index === 5) throw new Error("the file is damaged");
        return drawing(width, height);
      },
    };
    await editor.open(broken);
    editor.frame = 5;
    await until(() => errors.length === 1);
    expect(status()).toBe("That did not work: the file is damaged");
    expect(editor.frame).toBe(0);
    editor.frame = 6;
    await until(() => editor.frame === 6);
  });

  test("another video frees the tracker of the one before; one without a length is refused", async () => {
    const before = tracking;
    const { count: _, ...endless } = video();
    await expect(editor.open(endless)).rejects.toMatchObject({ code: "editor-option" });
    expect(before.asked).toEqual([]);
    await editor.open(video());
    expect(before.asked).toEqual(["dispose"]);
    expect(tracking).not.toBe(before);
    editor.tracker = undefined;
    expect(session().tracking).toBeUndefined();
    expect(editor.editor.shadowRoot?.querySelector(".status span")?.textContent).toContain("Without a tracker");
  });

  test("drift is gone to by its button and keys, and its buttons are off where there is none", async () => {
    await point(300, 100); // leaves the picture to the right
    await editor.track();
    await until(() => editor.frame === count - 1);
    const drift = session().driftFrames();
    expect(drift.length).toBeGreaterThan(0);
    expect(named(editor.words.nextDrift)).toHaveProperty("disabled", true);
    named(editor.words.previousDrift).click();
    await until(() => editor.frame === drift.at(-1));
    slider().focus();
    for (const at of drift.slice(0, -1).reverse()) {
      await userEvent.keyboard("{Shift>}D{/Shift}");
      await until(() => editor.frame === at);
    }
    expect(named(editor.words.previousDrift)).toHaveProperty("disabled", true);
    editor.goToDrift();
    await until(() => editor.frame === (drift[1] ?? drift[0]));
  });

  test("a host with an undo of its own has neither buttons nor keys for it here", async () => {
    editor.hasHistory = false;
    await point(100, 100);
    await userEvent.keyboard("{Control>}z{/Control}");
    await frames(2);
    expect(steps()).toEqual(["prompt"]);
    expect(session().document.objects).toHaveLength(1);
    const undo = editor.editor.shadowRoot?.querySelector<HTMLButtonElement>('[aria-label^="Undo"]');
    expect(undo?.hidden).toBe(true);
  });

  test("in other words", async () => {
    await point(100, 100);
    editor.words = { track: "Weiter verfolgen", undoStep: "Zurück: {step}" };
    expect(named("Weiter verfolgen")).toBeDefined();
    expect(editor.editor.shadowRoot?.querySelector('[aria-label="Zurück: Prompt"]')).not.toBeNull();
    editor.words = markedWords(videoWords);
    await point(150, 60);
    await editor.track();
    await frames(2);
    expect(unmarked(editor)).toEqual([]);
  });
});

describe("the timeline", () => {
  test("a slider of frames by keys alone, and from the stage", async () => {
    slider().focus();
    await userEvent.keyboard("{ArrowRight}");
    await until(() => editor.frame === 1);
    await userEvent.keyboard("{PageUp}");
    await until(() => editor.frame === 11);
    await userEvent.keyboard("{End}");
    await until(() => editor.frame === count - 1);
    expect(slider().getAttribute("aria-valuetext")).toBe("Frame 39 of 0 to 39");
    await userEvent.keyboard("{Home}");
    await until(() => editor.frame === 0);
    editor.editor.shadowRoot?.querySelector<HTMLElement>(".stage")?.focus();
    await userEvent.keyboard("{ArrowLeft} ");
    await until(() => steps().length === 1);
    await userEvent.keyboard("t");
    await until(() => steps().length === 2);
    await until(() => editor.frame === count - 1);
    await userEvent.keyboard("<");
    await until(() => editor.frame === 0);
    await userEvent.keyboard(".");
    await until(() => editor.frame === 1);
    await userEvent.keyboard(",");
    await until(() => editor.frame === 0);
    slider().focus();
    await userEvent.keyboard(" ");
    expect(editor.isPlaying).toBe(true);
    await userEvent.keyboard(" ");
    expect(editor.isPlaying).toBe(false);
  });

  test("scrubbed by a mouse and a finger; a row selects its object", async () => {
    await point(100, 100);
    session().select(null);
    await point(200, 100);
    const { left, top, width: wide } = slider().getBoundingClientRect();
    await mouse("mousePressed", [left + wide * 0.51, top + 8], "left");
    await mouse("mouseMoved", [left + wide * 0.76, top + 8], "left");
    await mouse("mouseReleased", [left + wide * 0.76, top + 8], "left");
    await until(() => editor.frame === 30);
    const [, first] = editor.shadowRoot?.querySelectorAll(".rows .strip") ?? [];
    const row = (first as HTMLElement).getBoundingClientRect();
    await look({ width: 1100, height: 860, isTouch: true });
    await touch("touchStart", [[row.left + row.width * 0.26, row.top + 10]]);
    await touch("touchEnd", []);
    await until(() => editor.frame === 10);
    expect(session().selected).toBe(1);
  });

  test("says of each object where it is, in words as in the drawing", async () => {
    await point(100, 100);
    await editor.track();
    const strip = within('.rows [role="img"]');
    expect(strip.getAttribute("aria-label")).toBe(
      "Object 1: prompted on frames 0; there on 40 frames, not there on 0 of 40",
    );
    const canvas = strip as HTMLCanvasElement;
    const on = (share: number, y: number): readonly number[] => [
      ...(canvas.getContext("2d")?.getImageData(Math.floor(canvas.width * share), y, 1, 1).data ?? []),
    ];
    await frames(1);
    expect(on(0.5, canvas.height - 8)[3]).toBe(255);
    named("Clear this frame").click();
    expect(known(1)).toHaveLength(39);
  });
});

describe("axe finds nothing, and it looks right", () => {
  const looks: readonly (readonly [string, Look])[] = [
    ["light", {}],
    ["dark", { features: { "prefers-color-scheme": "dark" } }],
    ["phone", { width: 390, height: 780, ratio: 2, isTouch: true }],
    ["high-contrast", { features: { "forced-colors": "active", "prefers-color-scheme": "dark" } }],
  ];
  test.each(looks)("%s", async (name, given) => {
    await look({ width: 1100, height: 860, ...given });
    await frames(3);
    session().frameEditor.setClasses([{ name: "ball", colour: null }]);
    session().frameEditor.setClass("ball");
    await session().frameEditor.setBox([80, 80, 150, 160]);
    session().select(null);
    session().frameEditor.setClass(null);
    await session().frameEditor.setBox([250, 100, 290, 150]);
    await session().track();
    editor.frame = 14;
    await until(() => editor.frame === 14);
    session().select(2);
    await session().frameEditor.setBox([230, 60, 300, 150]);
    await session().track({ count: 16 });
    session().seek(22);
    session().frameEditor.paintStroke([[240, 100]], 200, "erase");
    session().seek(14);
    await frames(4);
    expect(await axe()).toEqual([]);
    expect(document.documentElement.scrollWidth).toBeLessThanOrEqual(window.innerWidth);
    // All of it is in sight.
    expect(within(".time").getBoundingClientRect().bottom).toBeLessThanOrEqual(window.innerHeight);
    await page.screenshot({ path: `../.cache/video-${name}.png` });
  });
});

test("nano in a worker follows two things through a clip whose frames are read here", async () => {
  const files = await Promise.all(
    Array.from({ length: 4 }, async (_, i) => {
      const name = `0000${i}.jpg`;
      const response = await fetch(new URL(`../../../examples/clip/${name}`, import.meta.url));
      return new File([await response.blob()], name, { type: "image/jpeg" });
    }),
  );
  const worker = new Worker(new URL("./worker.web.ts", import.meta.url), { type: "module" });
  const client = new RemoteClient(worker);
  const checkpoint = new Uint8Array(await (await fetch(nanoModel.checkpoint)).arrayBuffer());
  const config = parseConfig(await (await fetch(nanoModel.config)).json());
  const model = await client.load(checkpoint, { config });
  editor.tracker = new RemoteVideoPredictor(model);
  const clip = await framesFromFiles(files);
  await editor.open(clip);
  await point(57, 143);
  session().select(null);
  await point(422, 113);
  await editor.track();
  await until(() => editor.frame === 3);
  expect(known(1)).toEqual([0, 1, 2, 3]);
  // One goes to the right, the other to the left.
  const middle = (id: number, frame: number): number => {
    const { x, width: wide } = maskBox(session().mask(id, frame) as Mask);
    return x + wide / 2;
  };
  expect(middle(1, 3) - middle(1, 0)).toBeGreaterThan(30);
  expect(middle(2, 0) - middle(2, 3)).toBeGreaterThan(30);
  expect(session().object(2).frames[2]?.objectScore).toBeGreaterThan(0);
  editor.tracker = undefined;
  await client.dispose();
  worker.terminate();
}, 60_000);
