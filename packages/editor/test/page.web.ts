/** A page as a person has it: the element in it, and the hands' own events, sent by the browser itself. */

import type { FrameSource, Label, Mask, Point, Prompt, RawImage, VideoTracker } from "@masklet/core";
import "@masklet/editor/video-element";
import type {
  MaskletEditorElement,
  MaskletVideoEditorElement,
  OpenOptions,
  PictureEngine,
} from "@masklet/editor/video-element";
import type {} from "@vitest/browser-playwright"; // what cdp() can do
import type Axe from "axe-core";
import { cdp, page } from "vitest/browser";
import { DrawingEngine } from "./engine.ts";

/** Knows what is in `drawing`: a click or a box finds the thing there, which parts of it are candidates. */
export class PageEngine extends DrawingEngine implements PictureEngine {
  readonly pictures: RawImage[] = [];

  async setImage(image: RawImage): Promise<void> {
    this.pictures.push(image);
  }

  protected override draw({ points = [], labels = [], box }: Prompt, width: number, height: number): readonly Mask[] {
    const thing = ([x, y]: Point): number => thingAt(x / width, y / height);
    const isOn = (label: Label): ReadonlySet<number> =>
      new Set(points.filter((_, i) => (labels[i] ?? 1) === label).map(thing));
    const [on, off] = [new Set(isOn(1)), isOn(0)];
    if (Array.isArray(box)) on.add(thing([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]));
    return ["upper", "whole", "lower"].map((part) => ({
      width,
      height,
      data: Uint8Array.from({ length: width * height }, (_, i) => {
        const at: Point = [(i % width) + 0.5, Math.floor(i / width) + 0.5];
        const isPart = part === "whole" || (part === "upper") === at[1] < height / 2;
        return Number(isPart && on.has(thing(at)) && !off.has(thing(at)));
      }),
    }));
  }
}

/** Sizes of the page in CSS pixels, and what the system likes. */
export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly ratio?: number;
  readonly isTouch?: boolean;
  readonly features?: Readonly<Record<string, string>>;
}

export async function look({
  width = 1100,
  height = 720,
  ratio = 1,
  isTouch = false,
  features = {},
}: Look): Promise<void> {
  await page.viewport(width, height);
  await cdp().send("Emulation.setDeviceMetricsOverride", {
    width: Math.max(width, 1200),
    height: Math.max(height, 800),
    deviceScaleFactor: ratio,
    mobile: false,
  });
  await cdp().send("Emulation.setTouchEmulationEnabled", { enabled: isTouch, maxTouchPoints: 5 });
  await cdp().send("Emulation.setEmulatedMedia", {
    features: Object.entries(features).map(([name, value]) => ({ name, value })),
  });
}

/** What is wrong for people who do not see or do not point. As a script, which is what axe is made for. */
export async function axe(): Promise<readonly string[]> {
  if (!("axe" in window)) {
    const script = document.createElement("script");
    script.src = new URL("../node_modules/axe-core/axe.min.js", import.meta.url).href;
    document.head.append(script);
    await new Promise((resolve, reject) => {
      script.onload = resolve;
      script.onerror = reject;
    });
  }
  const { run } = (window as unknown as { readonly axe: typeof Axe }).axe;
  const { violations } = await run(document, { resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, target }) => `${target} ${html}`).join(" ")}`);
}

export async function frames(count = 2): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
}

/** Puts an element into an otherwise empty page. */
function alone(element: HTMLElement): void {
  document.body.replaceChildren();
  document.documentElement.lang = "en";
  document.title = "Masklet";
  document.body.style.cssText = "margin: 0; height: 100vh";
  const main = document.createElement("main");
  main.style.height = "100%";
  element.style.height = "100%";
  const heading = document.createElement("h1");
  heading.textContent = "Masklet";
  heading.style.cssText = "position: absolute; clip-path: inset(50%)";
  main.append(heading, element);
  document.body.append(main);
}

/** The editor of videos, alone in the page, with one. */
export async function videoEditorWith(video: FrameSource, tracker?: VideoTracker): Promise<MaskletVideoEditorElement> {
  const editor = document.createElement("masklet-video-editor");
  alone(editor);
  if (tracker !== undefined) editor.tracker = tracker;
  await editor.open(video);
  await frames(3);
  return editor;
}

/** The element, alone in the page, with a picture. */
export async function editorWith(
  image: RawImage,
  engine?: PictureEngine,
  options: OpenOptions = {},
): Promise<MaskletEditorElement> {
  const editor = document.createElement("masklet-editor");
  alone(editor);
  if (engine !== undefined) editor.engine = engine;
  await editor.open(image, options);
  await frames(3);
  return editor;
}

/** From this frame to the browser's window. */
function onWindow([x, y]: Point): { readonly x: number; readonly y: number } {
  const frame = window.frameElement;
  if (frame === null) return { x, y };
  const { left, top, width } = frame.getBoundingClientRect();
  const scale = width / (frame as HTMLIFrameElement).offsetWidth;
  return { x: left + x * scale, y: top + y * scale };
}

type Button = "left" | "middle" | "right" | "none";

export async function mouse(
  type: "mousePressed" | "mouseReleased" | "mouseMoved",
  at: Point,
  button: Button = "none",
  modifiers = 0,
  pointerType: "mouse" | "pen" = "mouse",
): Promise<void> {
  const buttons = type === "mouseReleased" ? 0 : { left: 1, right: 2, middle: 4, none: 0 }[button];
  const event = { type, ...onWindow(at), button, buttons, modifiers, clickCount: 1, pointerType };
  await cdp().send("Input.dispatchMouseEvent", event);
}

export async function wheel(at: Point, deltaX: number, deltaY: number, modifiers = 0): Promise<void> {
  await cdp().send("Input.dispatchMouseEvent", { type: "mouseWheel", ...onWindow(at), deltaX, deltaY, modifiers });
}

/** Words that can be told from all others: each is "§" and its name, so are those of the steps. */
export function markedWords<W extends object>(words: W): W {
  const marked = Object.entries(words).map(([name, word]) => [
    name,
    typeof word === "string" ? `§${name}` : markedWords(word as object),
  ]);
  return Object.fromEntries(marked) as W;
}

/** What an element and those in it show or say that is none of `markedWords`; numbers and their like are nobody's words. */
export function unmarked(element: Element): readonly string[] {
  const said: string[] = [];
  const look = (node: ParentNode): void => {
    for (const one of node.querySelectorAll("*")) {
      for (const name of [
        "aria-label",
        "title",
        "placeholder",
        "aria-description",
        "aria-roledescription",
        "aria-valuetext",
      ])
        said.push(one.getAttribute(name) ?? "");
      for (const child of one.childNodes) if (child instanceof Text) said.push(child.data);
      if (one.shadowRoot !== null) look(one.shadowRoot);
    }
  };
  if (element.shadowRoot !== null) look(element.shadowRoot);
  return [...new Set(said)].filter((text) => /\p{L}{2,}/u.test(text) && !text.includes("§"));
}

/** Where a point of the picture is on the page. */
export function at(editor: MaskletEditorElement, point: Point): Point {
  return editor.pagePoint(point) ?? [0, 0];
}

export async function click(
  editor: MaskletEditorElement,
  point: Point,
  button: Button = "left",
  modifiers = 0,
): Promise<void> {
  const where = at(editor, point);
  await mouse("mouseMoved", where);
  await mouse("mousePressed", where, button, modifiers);
  await mouse("mouseReleased", where, button, modifiers);
}

export async function drag(
  editor: MaskletEditorElement,
  points: readonly Point[],
  button: Button = "left",
): Promise<void> {
  const places = points.map((point) => at(editor, point));
  const [first = [0, 0]] = places;
  await mouse("mousePressed", first, button);
  for (const place of places.slice(1)) await mouse("mouseMoved", place, button);
  await mouse("mouseReleased", places.at(-1) ?? first, button);
}

export async function touch(type: "touchStart" | "touchMove" | "touchEnd", points: readonly Point[]): Promise<void> {
  const touchPoints = points.map((point, id) => ({ ...onWindow(point), id }));
  await cdp().send("Input.dispatchTouchEvent", { type, touchPoints });
}

/** What is at a place of `drawing`, in shares of its width and height. */
function thingAt(x: number, y: number): number {
  if (Math.hypot((x - 0.35) * 4, (y - 0.5) * 3) < 0.6) return 0;
  if (Math.abs(x - 0.72) < 0.1 && Math.abs(y - 0.55) < 0.16) return 1;
  return y < 0.6 ? 2 : 3;
}

const colours = [
  [200, 60, 50],
  [40, 80, 190],
  [170, 205, 235],
  [120, 170, 90],
] as const;

/** A disc and a square before a sky and a meadow. */
export function drawing(width = 640, height = 480): RawImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [(i % width) / width, Math.floor(i / width) / height];
    const colour = colours[thingAt(x, y)] ?? [0, 0, 0];
    const light = Math.round(18 * Math.sin(x * 31 + y * 17));
    for (let c = 0; c < 3; c++) data[i * 3 + c] = (colour[c] as number) + light;
  }
  return { width, height, channels: 3, data };
}
