/** Runs in a page: works with the editor while a model runs in a worker, and watches for long tasks. */
import { parseConfig, type RawImage } from "@masklet/core";
import { RemoteClient, RemoteVideoPredictor } from "@masklet/core/remote";
import { framesFromFiles, imageFrom } from "@masklet/core/web";
import "@masklet/editor/video-element";
import type { EditorRun, EditorTask } from "./report.ts";

const HOVERED = 60;

interface Job {
  readonly checkpoint: string;
  readonly config: string | undefined;
  readonly picture: string;
  readonly frames: readonly string[];
  /** The picture is made so many times as wide and high. */
  readonly scale: number;
}

/** One walk through what a person does. */
async function run({ checkpoint, config, picture, frames, scale }: Job): Promise<EditorRun> {
  const worker = new Worker("/worker.js", { type: "module" });
  const client = new RemoteClient(worker);
  const sizes = config === undefined ? {} : { config: parseConfig(await (await fetch(config)).json()) };
  const model = await client.load(new Uint8Array(await (await fetch(checkpoint)).arrayBuffer()), sizes);
  const predictor = await model.imagePredictor();
  const tasks: EditorTask[] = [];
  /** Does something and waits until it is shown; the longest task meanwhile. */
  const watched = async <T>(name: string, act: () => Promise<T>): Promise<T> => {
    const durations: number[] = [];
    const observer = new PerformanceObserver((list) => {
      durations.push(...list.getEntries().map(({ duration }) => duration));
    });
    observer.observe({ type: "longtask" });
    const done = await act();
    await painted(3);
    await new Promise((resolve) => setTimeout(resolve, 100)); // entries come late
    durations.push(...observer.takeRecords().map(({ duration }) => duration));
    observer.disconnect();
    tasks.push({ name, longest: Math.max(0, ...durations) });
    return done;
  };
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await painted(1);
  };

  document.body.style.cssText = "margin: 0; height: 100vh";
  const editor = document.createElement("masklet-editor");
  editor.style.height = "100%";
  document.body.replaceChildren(editor);
  const image = enlarged(await imageFrom(await (await fetch(picture)).blob()), scale);
  await painted(1); // making it larger is not the editor's task
  await watched("open", () => editor.open(image));
  await watched("encode", async () => {
    editor.engine = predictor;
    await until(() => editor.engineState === "ready");
  });
  const session = editor.session;
  if (session === undefined) throw new Error("the editor has no session");
  const at = (x: number, y: number): readonly [number, number] => [x * scale, y * scale];
  const stage = editor.shadowRoot?.querySelector(".stage");
  let masks = 0;
  const counted = session.preview.bind(session);
  session.preview = async (...given) => {
    const found = await counted(...given);
    if (found !== undefined) masks++;
    return found;
  };
  const rate = await watched("hover", async () => {
    const began = performance.now();
    for (let i = 0; i < HOVERED; i++) {
      const [clientX, clientY] = editor.pagePoint(at(100 + i, 120)) ?? [0, 0];
      stage?.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, pointerType: "mouse" }));
      await painted(1);
    }
    return (masks * 1000) / (performance.now() - began);
  });
  await watched("click", () => session.addPoint(at(130, 121)));
  await watched("correct", () => session.addPoint(at(200, 60), 0));
  await watched("brush", async () => session.paintStroke([at(60, 60), at(200, 190)], 12 * scale));
  await watched("grow", async () => session.grow(3));
  await watched("undo", async () => session.undo());

  const video = document.createElement("masklet-video-editor");
  video.style.height = "100%";
  document.body.replaceChildren(video);
  video.tracker = new RemoteVideoPredictor(model);
  const files = await Promise.all(
    frames.map(async (name) => new File([await (await fetch(name)).blob()], name.slice(1), { type: "image/jpeg" })),
  );
  const source = await framesFromFiles(files);
  await watched("open a video", () => video.open(source));
  await watched("click in it", async () => video.session?.frameEditor.addPoint([57, 143]));
  await watched("track", () => video.track());
  video.tracker = undefined;
  await client.dispose();
  worker.terminate();
  return { rate, tasks };
}

function enlarged({ width, height, channels, data }: RawImage, by: number): RawImage {
  const large = new Uint8Array(width * by * height * by * channels);
  for (let y = 0, to = 0; y < height * by; y++) {
    for (let x = 0; x < width * by; x++, to += channels) {
      const from = (Math.floor(y / by) * width + Math.floor(x / by)) * channels;
      for (let c = 0; c < channels; c++) large[to + c] = data[from + c] as number;
    }
  }
  return { width: width * by, height: height * by, channels, data: large };
}

async function painted(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => requestAnimationFrame(resolve));
}

Object.assign(globalThis, { bench: { run, adapter: async () => "not asked for" } });
