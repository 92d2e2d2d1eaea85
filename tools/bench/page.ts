/** Runs in a page: measures one model on one backend, or has it track while its memory is measured from outside. */
import { createOrtBackend } from "@masklet/backend-ort/web";
import { createTfjsBackend } from "@masklet/backend-tfjs/web";
import {
  type Backend,
  ImagePredictor,
  loadSam2,
  MaskletError,
  parseConfig,
  presets,
  type Sam2,
  type StreamSession,
  VideoPredictor,
} from "@masklet/core";
import { hashedTensor } from "@masklet/core/testing";
import { loadSam2 as loadFromWeb } from "@masklet/core/web";
import type { PageJob, PageRow, Supported } from "./report.ts";

const RUNS = 5;
/** Milliseconds after which no further run of a row is begun. */
const ENOUGH = 10_000;
/** Milliseconds that a row may be expected to take. */
const TOO_LONG = 120_000;
const MEMORIES = 7;

const [width, height] = [640, 480];
const frame = { width, height, channels: 3, data: new Uint8Array(width * height * 3).fill(90) } as const;

function create({ backend, device, threads }: Pick<PageJob, "backend" | "device" | "threads">): Promise<Backend> {
  const settings = { threads, wasmPaths: "/wasm/" };
  return backend === "ort"
    ? createOrtBackend({ ...settings, device: device === "webgpu" ? device : "wasm" })
    : createTfjsBackend({ ...settings, engine: device });
}

/** Whether a backend starts, or the code of what it said. */
async function support(place: Pick<PageJob, "backend" | "device">): Promise<Supported> {
  try {
    const backend = await create({ ...place, threads: 1 });
    const { dtypes } = backend.capabilities;
    await backend.dispose();
    return { state: "runs", dtypes };
  } catch (error) {
    if (!(error instanceof MaskletError)) throw error;
    return { state: error.code, dtypes: [] };
  }
}

async function measure({
  backend: name,
  device,
  threads,
  checkpoint,
  config,
  preset,
}: PageJob): Promise<readonly PageRow[]> {
  const backend = await create({ backend: name, device, threads });
  const bytes = new Uint8Array(await (await fetch(checkpoint)).arrayBuffer());
  const sizes = config === undefined ? preset && presets[preset] : parseConfig(await (await fetch(config)).json());
  const model = await loadSam2(bytes, { backend, ...(sizes && { config: sizes }) });

  const { imageSize } = model.config;
  const encoder = await model.executable("imageEncoder");
  const image = backend.upload(hashedTensor("bench.image", [1, imageSize, imageSize, 3], 2));
  const encoding = await median("encode one image", async () => {
    const outputs = Object.values(await encoder.run({ image }));
    await outputs[0]?.read(); // a GPU is not done when the call is
    for (const output of outputs) output.dispose();
  });
  image.dispose();

  const predictor = new ImagePredictor(model);
  await predictor.setImage(frame);
  const click = await median("one click", () => predictor.predict({ points: [[320, 200]] }));
  await predictor.dispose();
  return [encoding, click, await trackedFrame(model, encoding.milliseconds)];
}

/** A frame of one object whose memory is full. */
async function trackedFrame(model: Sam2, encoding: number): Promise<PageRow> {
  const name = "a video frame, one object";
  // A frame of tiny is four times the arithmetic of its encoding; all of the memory has to be filled first.
  if (4 * encoding * (MEMORIES + 2) > TOO_LONG) return { name, skipped: "would take minutes" };
  const session = new VideoPredictor(model).stream();
  await session.push(frame);
  await session.addPrompt({ object: 0, points: [[40, 200]] });
  for (let i = 0; i < MEMORIES; i++) await session.push(frame);
  return median(name, () => session.push(frame));
}

/** Of the runs after the first, which compiles. */
async function median(name: string, run: () => Promise<unknown>): Promise<Extract<PageRow, { runs: number }>> {
  await run();
  const times: number[] = [];
  const started = performance.now();
  while (times.length < RUNS && (times.length === 0 || performance.now() - started < ENOUGH)) {
    const before = performance.now();
    await run();
    times.push(performance.now() - before);
  }
  times.sort((a, b) => a - b);
  return { name, milliseconds: times[times.length >> 1] as number, runs: times.length };
}

/** What the page says of its GPU. */
async function adapter(device: "webgl" | "webgpu"): Promise<string | undefined> {
  if (device === "webgpu") {
    const { gpu } = navigator as { readonly gpu?: { requestAdapter(): Promise<{ readonly info: object } | null> } };
    const found = await gpu?.requestAdapter();
    if (found == null) return undefined;
    const { vendor, architecture, description } = found.info as Record<string, string>;
    return [vendor, architecture, description].filter((part) => part !== undefined && part !== "").join(" ");
  }
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  return gl === null || info == null ? undefined : String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL));
}

/** Loads a model by its address, as pages do, and has an object in a stream on ONNX Runtime's wasm. */
async function startTracking({ threads, checkpoint, preset }: PageJob): Promise<void> {
  const backend = await createOrtBackend({ threads, wasmPaths: "/wasm/", device: "wasm" });
  const model = await loadFromWeb(checkpoint, { backend, ...(preset && { config: presets[preset] }) });
  tracked = new VideoPredictor(model).stream();
  await tracked.push(frame);
  await tracked.addPrompt({ object: 0, points: [[200, 200]] });
}

let tracked: StreamSession | undefined;

/** As many frames as fill an object's memory. */
async function trackFrames(): Promise<void> {
  for (let i = 0; i < MEMORIES; i++) await tracked?.push(frame);
}

Object.assign(globalThis, { bench: { measure, adapter, support, startTracking, trackFrames } });
