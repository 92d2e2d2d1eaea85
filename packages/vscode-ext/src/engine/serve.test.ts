/** The engine's server with nano, in this process. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createOrtBackend, openDetector } from "@masklet/backend-ort/node";
import { blobModel } from "@masklet/backend-ort/test/blob-models";
import { decompressRle, encodeRle, type Rle } from "@masklet/core";
import { fileSource, loadSam2, readConfig, type VideoFrames } from "@masklet/core/node";
import { rleIou } from "@masklet/labels";
import { nanoModel } from "@masklet/model-nano";
import { expect, onTestFinished, test } from "vitest";
import type { WirePicture } from "../protocol.ts";
import type { EngineMethods, EngineReply } from "./protocol.ts";
import { EngineServer } from "./serve.ts";

type Asked = "start" | "everything" | "detect" | "cancel" | "open-video" | "close-video";

/** Videos that are open. */
const openVideos = new Set<object>();

/** A server with nano, and how it is asked. */
async function nanoServer(): Promise<(id: number, method: Asked, args: unknown) => Promise<EngineReply>> {
  const backend = await createOrtBackend();
  const replies = new Map<number, (reply: EngineReply) => void>();
  const server = new EngineServer(
    {
      load: async () => ({
        model: await loadSam2(await fileSource(fileURLToPath(nanoModel.checkpoint)), {
          backend,
          config: await readConfig(fileURLToPath(nanoModel.config)),
        }),
        facts: { model: "nano", runtime: "native", imageSize: 256 },
      }),
      detector: (path) => openDetector(path, { backend }),
      models: async () => [],
      openVideo: async (path) => {
        if (path === "none") throw new Error("no video");
        const video = {
          size: { width: 4, height: 3 },
          info: { frames: 2, fps: 25 },
          close: async () => void openVideos.delete(video),
        };
        openVideos.add(video);
        return video as unknown as VideoFrames;
      },
      download: async () => undefined,
    },
    (reply) => "id" in reply && replies.get(reply.id)?.(reply),
  );
  const ask = (id: number, method: Asked, args: unknown): Promise<EngineReply> =>
    new Promise((resolve) => {
      replies.set(id, resolve);
      server.handle({ id, method, args } as never);
    });
  await ask(1, "start", { model: "nano", runtime: "native", cacheBytes: 2 ** 24 });
  return ask;
}

const [width, height] = [320, 240];

/** A red square on white or on grey, and its mask. */
function square(ground = 255): { readonly picture: WirePicture; readonly truth: Rle } {
  const data = new Uint8Array(width * height * 3).fill(ground);
  const inside = new Uint8Array(width * height);
  for (let y = 60; y < 160; y++) {
    inside.fill(1, y * width + 100, y * width + 200);
    for (let x = 100; x < 200; x++) data.set([230, 20, 20], (y * width + x) * 3);
  }
  return {
    picture: { width, height, channels: 3, data: data.buffer },
    truth: encodeRle({ width, height, data: inside }),
  };
}

test("finds what is in a picture without a click, and stops when it is told to", async () => {
  const { picture, truth } = square();
  const ask = await nanoServer();
  const answer = (await ask(2, "everything", { picture })) as {
    readonly result: { readonly masks: readonly { readonly counts: string }[] };
  };
  const best = Math.max(
    ...answer.result.masks.map(({ counts }) => rleIou(decompressRle({ size: [height, width], counts }), truth)),
  );
  expect(best).toBeGreaterThan(0.9);
  const running = ask(3, "everything", { picture });
  await ask(4, "cancel", { id: 3 });
  expect(await running).toMatchObject({ id: 3, error: { code: "cancelled" } });
});

test("makes a mask of each box that a detector finds, with its class and score", async () => {
  const folder = mkdtempSync(join(tmpdir(), "masklet-detector-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const detector = join(folder, "red.onnx");
  const ask = await nanoServer();
  const { picture, truth } = square(90);
  const missing = await ask(2, "detect", { picture, detector });
  expect(missing).toMatchObject({ error: { code: expect.any(String), message: expect.stringContaining("red.onnx") } });
  // A file that comes meanwhile is opened.
  writeFileSync(
    detector,
    blobModel("yolo", { metadata: { names: "{0: 'red thing', 1: 'blue thing'}", task: "detect" } }),
  );
  const { result } = (await ask(3, "detect", { picture, detector })) as {
    readonly result: EngineMethods["detect"]["result"];
  };
  expect(result.masks).toMatchObject([{ category: "red thing", score: expect.closeTo(0.81, 1) }]);
  const [{ counts } = { counts: "" }] = result.masks;
  expect(rleIou(decompressRle({ size: [height, width], counts }), truth)).toBeGreaterThan(0.9);
  const grey = { ...picture, data: new Uint8Array(width * height * 3).fill(90).buffer };
  expect(await ask(4, "detect", { picture: grey, detector })).toEqual({ id: 4, result: { masks: [] } });
});

test("a video that is opened again takes the place of the one before, which is closed", async () => {
  const ask = await nanoServer();
  const facts = { result: { width: 4, height: 3, count: 2, rate: 25 } };
  expect(await ask(2, "open-video", { video: 7, path: "a" })).toMatchObject(facts);
  expect(await ask(3, "open-video", { video: 7, path: "a" })).toMatchObject(facts);
  expect(openVideos.size).toBe(1);
  expect(await ask(4, "open-video", { video: 8, path: "none" })).toMatchObject({ error: { message: "no video" } });
  await ask(5, "close-video", { video: 7 });
  expect(openVideos.size).toBe(0);
});
