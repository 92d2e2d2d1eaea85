/** The engine's process, bundled as it is shipped: killed in the middle of requests it costs those, and the next click works. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Mask, maskBox } from "@masklet/core";
import { framesFromFolder } from "@masklet/core/node";
import { RemoteClient, RemoteVideoPredictor } from "@masklet/core/remote";
import { hasFfmpeg } from "@masklet/core/test/videos";
import { VideoEditorSession } from "@masklet/editor";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundle } from "../bundle.mjs";
import { spawnEngine } from "../src/desktop.ts";
import { Channel, pack, unpack } from "../src/engine/channel.ts";
import type { EngineReply, EngineRequest, EngineSettings } from "../src/engine/protocol.ts";
import { EngineClient, type EngineProcess } from "../src/engine-client.ts";
import type { WirePicture } from "../src/protocol.ts";

const require = createRequire(import.meta.url);
const worker = join(dirname(require.resolve("@masklet/backend-ort/package.json")), "dist", "classic-worker.js");
const clip = fileURLToPath(new URL("../../../examples/clip", import.meta.url));
/** Twenty take half a minute. */
const kills = process.env["MASKLET_SLOW"] === "1" ? 20 : 4;

/** A thousand take minutes. */
const pictures = process.env["MASKLET_SLOW"] === "1" ? 1000 : 40;

/** What the engine of a folder holds in memory. */
function residentMegabytes(folder: string): number {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(join(folder, "engine", "main.mjs"))) continue;
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
      return Number(kilobytes) / 1024;
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error("the engine does not run");
}

/** A red square on white. */
function square(width = 320, height = 240): WirePicture {
  const data = new Uint8Array(width * height * 3).fill(255);
  for (let y = 60; y < 160; y++) for (let x = 100; x < 200; x++) data.set([200, 30, 30], (y * width + x) * 3);
  return { width, height, channels: 3, data: data.buffer };
}
const click = {
  key: "square",
  prompt: { points: [[150, 110]], labels: [1] },
  multimaskOutput: false,
  latest: false,
} as const;

describe.skipIf(!existsSync(worker))("needs the built packages", () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "masklet-engine-"));
    await bundle(folder);
    // The native runtime, as in a build for this platform.
    mkdirSync(join(folder, "engine", "node_modules"));
    symlinkSync(
      dirname(require.resolve("onnxruntime-node/package.json")),
      join(folder, "engine", "node_modules", "onnxruntime-node"),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** A client, and the process that it has now. */
  function start(settings: Partial<EngineSettings> = {}): { client: EngineClient; current: () => EngineProcess } {
    let process: EngineProcess | undefined;
    const client = new EngineClient({
      spawn: (reply, lost) => {
        process = spawnEngine(join(folder, "engine", "main.mjs"), reply, lost, () => undefined);
        return process;
      },
      settings: () => ({ model: "nano", runtime: "auto", cacheBytes: 2 ** 24, ...settings }),
      idle: () => 60_000,
      log: () => undefined,
    });
    return {
      client,
      current: () => {
        if (process === undefined) throw new Error("no process has been started");
        return process;
      },
    };
  }

  test(`answers, and answers the same after each of ${kills} kills`, { timeout: 60_000 + 4_000 * kills }, async () => {
    const { client, current } = start();
    await expect(client.request("predict", click)).rejects.toMatchObject({ code: "picture-unknown" });
    await client.request("encode", { key: "square", picture: square(), ahead: false });
    const first = await client.request("predict", click);
    expect(first.masks).toHaveLength(1);
    expect(client.facts).toMatchObject({ model: "nano", runtime: "native", imageSize: 256 });
    for (let i = 0; i < kills; i++) {
      const lost = Promise.allSettled([
        client.request("encode", { key: `other ${i}`, picture: square(), ahead: false }),
        client.request("predict", click),
      ]);
      current().kill();
      for (const one of await lost) {
        expect(one).toMatchObject({ status: "rejected", reason: { code: "engine-lost" } });
      }
      // What a page does: it is told that the picture is not there, and sends it again.
      await expect(client.request("predict", click)).rejects.toMatchObject({ code: "picture-unknown" });
      await client.request("encode", { key: "square", picture: square(), ahead: false });
      expect(await client.request("predict", click)).toEqual(first);
    }
    client.dispose();
  });

  test("tracks a video through a port; killed in the middle, it costs the frames that were to come", async () => {
    const { client, current } = start();
    const video = await framesFromFolder(clip);
    const session = new VideoEditorSession({ ...video.size, count: video.count });
    const connect = async (): Promise<void> => {
      const port = await client.openPort({
        message: (message) => channel.deliver(message),
        lost: () => channel.close(),
      });
      const channel: Channel = new Channel((message) => port.post(message));
      const model = await new RemoteClient(channel).load("the engine's own");
      session.tracking = new RemoteVideoPredictor(model).start(video);
    };
    await connect();
    await session.frameEditor.addPoint([57, 143]);
    const stop = session.subscribe((event) => {
      if (event.type === "tracking" && event.tracking?.frame === 2) current().kill();
    });
    await expect(session.track()).rejects.toMatchObject({ code: "lost" });
    stop();
    const tracked = Object.keys(session.object(1).frames);
    expect(tracked).toEqual(["0", "1", "2"]);
    expect(session.undoStep).toMatchObject({ name: "track", count: 2 });
    await connect();
    session.seek(2);
    await session.track();
    expect(Object.keys(session.object(1).frames)).toHaveLength(video.count);
    const middle = (frame: number): number => {
      const { x, width } = maskBox(session.mask(1, frame) as Mask);
      return x + width / 2;
    };
    expect(middle(7) - middle(0)).toBeGreaterThan(60);
    client.dispose();
  });

  test.skipIf(!hasFfmpeg)("reads a video file with ffmpeg, frame by frame", async () => {
    const { client } = start();
    const path = fileURLToPath(new URL("../../core/test/hidden-frames.webm", import.meta.url));
    await expect(client.request("video-frame", { video: 1, index: 0 })).rejects.toMatchObject({
      code: "picture-unknown",
    });
    const facts = await client.request("open-video", { video: 1, path });
    const picture = await client.request("video-frame", { video: 1, index: facts.count - 1 });
    expect(picture?.data.byteLength).toBe(facts.width * facts.height * 3);
    expect(await client.request("video-frame", { video: 1, index: facts.count })).toBeNull();
    await client.request("close-video", { video: 1 });
    await expect(client.request("open-video", { video: 1, path: clip })).rejects.toThrow();
    client.dispose();
  });
  test.skipIf(process.platform !== "linux")(
    `holds no more after ${pictures} pictures than after the first`,
    { timeout: 60_000 + 300 * pictures },
    async () => {
      const { client } = start({ cacheBytes: 2 ** 22 });
      const large = square(1280, 960);
      const warm = 30;
      let before = 0;
      for (let i = 0; i < warm + pictures; i++) {
        if (i === warm) before = residentMegabytes(folder);
        const key = `picture ${i}`;
        await client.request("encode", { key, picture: large, ahead: i % 3 === 2 });
        if (i % 3 !== 2) await client.request("predict", { ...click, key });
      }
      expect(before).toBeGreaterThan(50);
      // The pixels alone are 3.7 MB a picture.
      expect(residentMegabytes(folder) - before).toBeLessThan(100);
      await expect(client.request("predict", { ...click, key: "picture 0" })).rejects.toMatchObject({
        code: "picture-unknown",
      });
      client.dispose();
    },
  );

  test("says why a model does not load, and is no crash", async () => {
    const { client } = start({ model: "no-such-model" });
    await expect(client.request("predict", click)).rejects.toMatchObject({ code: "not-found" });
    client.dispose();
  });
});

/** A process that does what a test says. */
function fakeProcess(): {
  readonly sent: EngineRequest[];
  reply: (reply: EngineReply) => void;
  lose: () => void;
  spawns: number;
  readonly client: EngineClient;
} {
  const fake = {
    sent: [] as EngineRequest[],
    reply: (_: EngineReply): void => undefined,
    lose: (): void => undefined,
    spawns: 0,
  };
  const client = new EngineClient({
    spawn: (reply, lost) => {
      fake.spawns++;
      fake.reply = reply;
      fake.lose = () => lost("killed");
      return { send: (request) => void fake.sent.push(request), kill: () => lost("asked to") };
    },
    settings: () => ({ model: "nano", runtime: "auto", cacheBytes: 0 }),
    idle: () => 20,
    log: () => undefined,
  });
  return Object.assign(fake, { client });
}

test("an engine that ends again and again is not started for ever, until a person says so", async () => {
  const fake = fakeProcess();
  for (let i = 0; i < 3; i++) {
    const asked = fake.client.request("predict", click);
    fake.lose();
    await expect(asked).rejects.toMatchObject({ code: "engine-lost" });
  }
  await expect(fake.client.request("predict", click)).rejects.toThrow(/Restart Engine/);
  expect(fake.spawns).toBe(3);
  fake.client.restart();
  fake.client.start().catch(() => undefined);
  expect(fake.spawns).toBe(4);
  fake.client.dispose();
});

test("the process ends when nobody has asked for a while, and not while somebody waits", async () => {
  const fake = fakeProcess();
  const started = fake.client.start();
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(fake.spawns).toBe(1);
  const [{ id } = { id: 0 }] = fake.sent;
  fake.reply({ id, result: { model: "nano", runtime: "native", imageSize: 256 } });
  await started;
  await new Promise((resolve) => setTimeout(resolve, 60));
  fake.client.start().catch(() => undefined);
  expect(fake.spawns).toBe(2);
  fake.client.dispose();
});

test("a port that is open keeps the process, and hears of its end once", async () => {
  const fake = fakeProcess();
  const lost: string[] = [];
  const opening = fake.client.openPort({ message: () => undefined, lost: ({ code }) => lost.push(code) });
  const [{ id } = { id: 0 }] = fake.sent;
  fake.reply({ id, result: { model: "nano", runtime: "native", imageSize: 256 } });
  const port = await opening;
  await new Promise((resolve) => setTimeout(resolve, 60));
  port.post(pack("hello"));
  expect(fake.spawns).toBe(1);
  fake.lose();
  expect(lost).toEqual(["engine-lost"]);
  port.close();
  expect(fake.client.isRunning).toBe(false);
  fake.client.dispose();
});

test("what is packed comes out as it was, of a view no more than it shows", () => {
  const whole = Float32Array.of(1, 2, 3, Number.NaN);
  const message = {
    a: [whole.subarray(1, 3), Uint8Array.of(7)],
    b: Number.NEGATIVE_INFINITY,
    c: null,
    d: "text",
    e: { f: true },
  };
  const packed = pack(message);
  expect(unpack(structuredClone(packed))).toEqual(message);
  expect(packed.buffers.map(({ byteLength }) => byteLength)).toEqual([8, 1]);
  expect(() => pack(new DataView(whole.buffer))).toThrow(TypeError);
});
