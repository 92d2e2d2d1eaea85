/** `RemoteVideoPredictor` beside `VideoPredictor`: the same results and errors, through a port. */
import { MessageChannel } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { ObservedBackend } from "../../test/observed-backend.ts";
import { noiseImage, toyConfig, toyTensors } from "../../test/toy-sam2.ts";
import { writeSafetensors } from "../checkpoint/safetensors.ts";
import { BackendError, FrameError, MaskletError, RemoteError, VideoError } from "../errors.ts";
import type { Mask } from "../mask/mask.ts";
import { loadSam2, type Sam2 } from "../sam2.ts";
import { TestAbort } from "../testing/fixtures.ts";
import type { FrameResult } from "../video/frame-result.ts";
import type { FrameSource } from "../video/frame-source.ts";
import type { VideoOptions } from "../video/options.ts";
import { VideoPredictor } from "../video/video-predictor.ts";
import type { VideoSession } from "../video/video-session.ts";
import { RemoteClient, type RemoteSam2 } from "./client.ts";
import { type ClosableFrames, type RemoteHost, serveSam2 } from "./host.ts";
import { protocolVersion } from "./protocol.ts";
import { RemoteVideoPredictor, type RemoteVideoSession } from "./video-client.ts";

const FRAMES = 6;
const size = { width: 24, height: 16 };
const images = Array.from({ length: FRAMES }, (_, i) => noiseImage(24, 16, { seed: i + 1 }));
const click = { points: [[5, 6]] } as const;
const mask: Mask = { ...size, data: Uint8Array.from({ length: 24 * 16 }, (_, i) => (i % 24 < 9 && i > 96 ? 1 : 0)) };

/** Frames on this side; what was asked for is noted. */
let asked: number[];
const video: FrameSource = {
  size,
  count: FRAMES,
  frame: async (index) => {
    asked.push(index);
    return images[index];
  },
};

let file: Uint8Array;
let near: Sam2;
let backend: ObservedBackend;
let channel: InstanceType<typeof MessageChannel>;
let host: RemoteHost;
let client: RemoteClient;
let model: RemoteSam2;
/** Videos that the host has opened and not closed. */
let open: number;
/** Calls of the host to the client that have no answer yet. */
let unanswered: Set<number>;

async function openVideo(name: unknown): Promise<ClosableFrames> {
  if (name !== "toy") throw new VideoError("not-found", `there is no ${String(name)}`);
  open++;
  return { ...video, close: async () => void open-- };
}

beforeAll(async () => {
  file = writeSafetensors(await toyTensors());
  near = await loadSam2(file, { backend: new ObservedBackend(), config: toyConfig });
});
afterAll(() => near.dispose());
beforeEach(async () => {
  [asked, open, unanswered] = [[], 0, new Set()];
  backend = new ObservedBackend();
  channel = new MessageChannel();
  host = serveSam2(channel.port1, { backend, openVideo });
  channel.port2.on("message", ({ type, id }: { type: string; id: number }) => {
    if (type === "call") unanswered.add(id);
  });
  channel.port1.on("message", ({ type, id }: { type: string; id: number }) => {
    if (type === "result" || type === "error") unanswered.delete(id);
  });
  client = new RemoteClient(channel.port2);
  model = await client.load(file, { config: toyConfig });
});
afterEach(async () => {
  await client.dispose();
  expect([client.pending, host.live, backend.tensors, backend.executables, open]).toEqual([0, 0, 0, 0, 0]);
  await vi.waitFor(() => expect([...unanswered]).toEqual([]));
  await host.dispose();
  channel.port1.close();
});

type Session = VideoSession | RemoteVideoSession;

async function collect<T>(items: AsyncIterable<T>): Promise<readonly T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

const remoteSession = (options?: VideoOptions, source: FrameSource = video): RemoteVideoSession =>
  new RemoteVideoPredictor(model, options).start(source);

/** Both sessions, and what a call gives in both. */
function pair(options: VideoOptions = {}) {
  const here = new VideoPredictor(near, options).start(video);
  const there = remoteSession(options);
  const both = async <T>(call: (session: Session) => Promise<T>): Promise<T> => {
    const expected = await call(here);
    const got = await call(there);
    expect(got).toEqual(expected);
    expect([there.objectIds, there.memoryBytes]).toEqual([here.objectIds, here.memoryBytes]);
    return got;
  };
  return { here, there, both };
}

describe("the same as a VideoSession", () => {
  test("in what it tracks, corrects, forgets and remembers", async () => {
    const { here, there, both } = pair({ returnLogits: true, nonOverlappingMasks: true });
    expect([there.size, there.count]).toEqual([here.size, here.count]);
    await both((session) => session.addPrompt({ frame: 1, object: 3, ...click }));
    await both((session) => session.addMask({ frame: 1, object: 8, mask }));
    await both((session) => collect(session.propagate()));
    await both((session) => session.addPrompt({ frame: 4, object: 3, points: [[9, 9]], labels: [0] }));
    await both((session) => collect(session.propagate({ start: 5, reverse: true, count: 3 })));
    await both((session) => session.clearPrompts({ frame: 4, object: 3 }));
    await both((session) => session.removeObject(8));
    await both((session) => session.removeObject(99));
    await both(async (session) => session.save());
    await both((session) => session.reset());
    expect(there.objectIds).toEqual([]);
    await here.dispose();
  });

  test("in corrections between two frames", async () => {
    const { here, both } = pair();
    await both((session) => session.addPrompt({ frame: 0, object: 1, ...click }));
    await both(async (session) => {
      const frames: FrameResult[] = [];
      for await (const frame of session.propagate()) {
        frames.push(frame);
        if (frame.frame === 1) await session.addPrompt({ frame: 1, object: 2, box: [2, 2, 20, 12] });
        if (frame.frame === 3) await session.removeObject(1);
      }
      return frames;
    });
    await here.dispose();
  });

  test("in what it refuses", async () => {
    const { here, there } = pair();
    const bad = (value: unknown): never => value as never;
    const calls: ((session: Session) => Promise<unknown>)[] = [
      (session) => collect(session.propagate()),
      (session) => session.addPrompt({ frame: 0, object: 0.5, ...click }),
      (session) => session.addPrompt({ frame: 99, object: 1, ...click }),
      (session) => session.addPrompt({ frame: 0, object: 1, points: [[99, 0]] }),
      (session) => session.addPrompt({ frame: 0, object: 1, box: [0, 0, 9, 9], clearOldPoints: false }),
      (session) => session.addMask({ frame: 0, object: 1, mask: { ...mask, width: 7 } }),
      (session) => session.clearPrompts({ frame: 0, object: 5 }),
      (session) => session.removeObject(5, { strict: true }),
      (session) => collect(session.propagate({ count: -1 })),
    ];
    const check = async (call: (session: Session) => Promise<unknown>): Promise<void> => {
      const [expected, got] = await Promise.all([here, there].map((session) => call(session).catch((e: unknown) => e)));
      expect(expected).toBeInstanceOf(MaskletError);
      expect(got).toEqual(expected);
      expect((got as Error).constructor).toBe((expected as Error).constructor);
    };
    for (const call of calls) await check(call);
    for (const session of [here, there]) await session.dispose();
    for (const call of calls.slice(0, 2)) await check(call);
    expect(() => new RemoteVideoPredictor(model, bad({ objectsPerRun: 0 }))).toThrow("objectsPerRun");
  });

  test("in its estimate, and going on from what was saved, here and there", async () => {
    const options = { history: 2 };
    const here = new VideoPredictor(near, options);
    const there = new RemoteVideoPredictor(model, options);
    const question = { objects: 3, frames: 100 };
    expect(there.estimate(question)).toEqual(here.estimate(question));
    const first = there.start(video);
    await first.addPrompt({ frame: 0, object: 1, ...click });
    await collect(first.propagate({ count: 3 }));
    const saved = await first.save();
    const rest = await collect(first.propagate({ start: 3 }));
    const sessions = [
      await here.load(saved, video),
      await there.load(saved, video),
      await there.open("toy", { saved }),
    ];
    for (const session of sessions) {
      expect(session.objectIds).toEqual([1]);
      expect(session.memoryBytes).toBeGreaterThan(0);
      expect(await collect(session.propagate({ start: 3 }))).toEqual(rest);
      await session.dispose();
    }
    const cut = saved.slice(0, 100);
    const refused = await here.load(cut, video).catch((error: unknown) => error);
    expect(await there.load(cut, video).catch((error: unknown) => error)).toEqual(refused);
  });
});

test("a stream is driven by the same class, over the port", async () => {
  const [here, there] = [new VideoPredictor(near).stream(), new RemoteVideoPredictor(model).stream()];
  for (const live of [here, there]) expect(await live.push(images[0] as never)).toEqual({ frame: 0, objects: [] });
  expect(await there.addPrompt({ object: 3, ...click })).toEqual(await here.addPrompt({ object: 3, ...click }));
  for (const image of images.slice(1)) expect(await there.push(image)).toEqual(await here.push(image));
  expect([there.frame, there.objectIds, there.memoryBytes]).toEqual([here.frame, [3], here.memoryBytes]);
  const outcomes = await Promise.allSettled([1, 2, 3].map((i) => there.push(images[i] as never, { latest: true })));
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  await expect(there.push(noiseImage(9, 9))).rejects.toMatchObject({ name: "FrameError", code: "frame-size" });
  expect((await there.push(images[0] as never)).objects).toHaveLength(1);
  here.dispose();
  there.dispose();
  await expect(there.push(images[0] as never)).rejects.toMatchObject({ code: "disposed" });
});

describe("frames", () => {
  test("are read when they are needed, as far ahead as the settings say, and copied", async () => {
    const session = remoteSession({ readAhead: 1 });
    expect(asked).toEqual([]);
    await session.addPrompt({ frame: 0, object: 1, ...click });
    expect(asked).toEqual([0]);
    for await (const { frame } of session.propagate({ start: 1, count: 3 })) {
      await vi.waitFor(() => expect(Math.max(...asked)).toBe(Math.min(frame + 1, 3)));
    }
    expect(asked.toSorted()).toEqual([0, 1, 2, 3]);
    expect(images[0]?.data).toHaveLength(24 * 16 * 3);
  });

  test("of a video whose end is not known", async () => {
    const { count, ...endless } = video;
    const session = remoteSession({}, endless);
    expect(session.count).toBeUndefined();
    await session.addPrompt({ frame: 3, object: 1, ...click });
    expect((await collect(session.propagate())).map(({ frame }) => frame)).toEqual([3, 4, 5]);
  });

  test.each([
    ["that cannot be read", new VideoError("decode-failed", "broken")],
    ["that is none", { width: 24, height: 16, channels: 3, data: new Uint8Array(5) }],
    ["of another size", noiseImage(8, 8)],
  ])("one %s fails as it does here, and the session goes on", async (_, odd) => {
    const frame = async (index: number) => {
      if (index !== 2) return images[index];
      if (odd instanceof Error) throw odd;
      return odd as never;
    };
    const source: FrameSource = { ...video, frame };
    const here = new VideoPredictor(near).start(source);
    const there = remoteSession({}, source);
    const outcomes = await Promise.all(
      [here, there].map(async (session) => {
        await session.addPrompt({ frame: 0, object: 1, ...click });
        return collect(session.propagate()).catch((error: unknown) => error);
      }),
    );
    expect(outcomes[1]).toBeInstanceOf(FrameError);
    expect(outcomes[1]).toEqual(outcomes[0]);
    expect(await collect(there.propagate({ start: 3 }))).toEqual(await collect(here.propagate({ start: 3 })));
    await here.dispose();
  });

  test("of a source that throws at once, and of one that never answers", async () => {
    const source: FrameSource = {
      ...video,
      frame: (index) => {
        if (index === 0) throw new RangeError("at once");
        return new Promise(() => {});
      },
    };
    const session = remoteSession({}, source);
    const failed = session.addPrompt({ frame: 0, object: 1, ...click });
    await expect(failed).rejects.toMatchObject({ code: "frame-unreadable", cause: new RangeError("at once") });
    const abort = new TestAbort();
    const waiting = session.addPrompt({ frame: 1, object: 1, ...click }, { signal: abort.signal });
    await vi.waitFor(() => expect(unanswered.size).toBe(1));
    abort.abort();
    await expect(waiting).rejects.toThrow("aborted by the test");
    await vi.waitFor(() => expect(unanswered.size).toBe(0));
    void session.addPrompt({ frame: 1, object: 1, ...click }).catch(() => {}); // left to the end of the client
    await vi.waitFor(() => expect(unanswered.size).toBe(1));
  });

  test("are not asked for in what cannot be understood: it is answered as such", async () => {
    await remoteSession().addPrompt({ frame: 0, object: 1, ...click });
    const answer = new Promise((resolve) => channel.port1.once("message", resolve));
    const params = { source: "video", index: 0 };
    channel.port1.postMessage({ masklet: protocolVersion, type: "call", id: -1, method: "frame", params });
    expect(await answer).toMatchObject({ type: "error", id: -1, error: { code: "bad-message" } });
  });

  test("of a video that the host opens never cross the port, and it is closed with its session", async () => {
    const predictor = new RemoteVideoPredictor(model);
    const session = await predictor.open("toy");
    expect([session.size, session.count, open]).toEqual([size, FRAMES, 1]);
    await using here = new VideoPredictor(near).start(video);
    for (const each of [here, session]) await each.addPrompt({ frame: 0, object: 1, ...click });
    expect(await collect(session.propagate())).toEqual(await collect(here.propagate()));
    await session.dispose();
    await vi.waitFor(() => expect(open).toBe(0));
    await expect(predictor.open("other")).rejects.toEqual(new VideoError("not-found", "there is no other"));
    await expect(predictor.open("toy", { saved: Uint8Array.of(1) })).rejects.toBeInstanceOf(MaskletError);
    expect(open).toBe(0);
    const abort = new TestAbort();
    const late = predictor.open("toy", { signal: abort.signal });
    abort.abort();
    await expect(late).rejects.toBe(abort.reason);
    await vi.waitFor(() => expect([client.pending, open]).toEqual([0, 0]));
  });

  test("of a video that no host opens", async () => {
    const [port1, port2] = Object.values(new MessageChannel());
    const plain = serveSam2(port1, { backend });
    const other = new RemoteClient(port2);
    const predictor = new RemoteVideoPredictor(await other.load(file, { config: toyConfig }));
    await expect(predictor.open("toy")).rejects.toMatchObject({ name: "PromptError", code: "bad-option" });
    await other.dispose();
    await plain.dispose();
    port1.close();
  });
});

describe("propagation", () => {
  const prompted = async (): Promise<RemoteVideoSession> => {
    const session = remoteSession();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    return session;
  };
  const tracked = (): number => backend.steps.filter((step) => step === "run memoryAttention").length;

  test("tracks a frame when it is asked for, and no further when the loop is left", async () => {
    const session = await prompted();
    for await (const { frame } of session.propagate()) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(tracked()).toBe(frame); // the prompted one needs no memory
      if (frame === 2) break;
    }
    expect(host.live).toBe(2); // the model and the session
    expect((await collect(session.propagate({ start: 3 }))).map(({ frame }) => frame)).toEqual([3, 4, 5]);
  });

  test("aborted at any step rejects at once, and goes on as if it had not been", async () => {
    const untouched = await prompted();
    const expected = await collect(untouched.propagate());
    await untouched.dispose();
    for (const step of ["run imageEncoder", "run memoryAttention", "run maskDecoder", "run memoryEncoder"] as const) {
      const session = await prompted();
      const abort = new TestAbort();
      backend.intervene = async (at) => {
        if (at === step) abort.abort();
      };
      const seen: number[] = [];
      const loop = async (): Promise<void> => {
        for await (const { frame } of session.propagate({ signal: abort.signal })) seen.push(frame);
      };
      await expect(loop()).rejects.toBe(abort.reason);
      backend.intervene = async () => {};
      expect(seen.length).toBeLessThan(FRAMES);
      expect(await collect(session.propagate())).toEqual(expected);
      expect(abort.listeners).toBe(0);
      await session.dispose();
    }
    await vi.waitFor(() => expect([host.live, client.pending]).toEqual([1, 0]));
  });

  test("a prompt that is aborted has changed nothing if it rejects", async () => {
    const session = await prompted();
    const before = await session.save();
    const abort = new TestAbort();
    backend.intervene = async (step) => {
      if (step !== "run maskDecoder") return;
      abort.abort();
      await new Promise((resolve) => setTimeout(resolve, 5)); // it gets to the host meanwhile
    };
    const call = session.addPrompt({ frame: 1, object: 2, ...click }, { signal: abort.signal });
    await expect(call).rejects.toThrow("aborted by the test");
    backend.intervene = async () => {};
    expect(await session.save()).toEqual(before);
    expect(session.objectIds).toEqual([1]);
    const early = session.addPrompt({ frame: 1, object: 2, ...click }, { signal: abort.signal });
    await expect(early).rejects.toBe(abort.reason);
  });

  test("a backend that fails is reported as it is, and the session goes on", async () => {
    const session = await prompted();
    const failure = new BackendError("run-failed", "the device is lost");
    backend.intervene = async (step) => {
      if (step === "run memoryAttention") throw failure;
    };
    await expect(collect(session.propagate())).rejects.toEqual(failure);
    backend.intervene = async () => {};
    expect(await collect(session.propagate())).toHaveLength(FRAMES);
  });

  test("a prompt and a mask are those of the moment they are given", async () => {
    const session = remoteSession();
    const points: [number, number][] = [[5, 6]];
    const data = mask.data.slice();
    const calls = [
      session.addPrompt({ frame: 0, object: 1, points }),
      session.addMask({ frame: 0, object: 2, mask: { ...size, data } }),
    ];
    points[0] = [999, 999];
    data.fill(0);
    await calls[0];
    expect((await calls[1])?.objects[1]?.objectScore).toBeGreaterThan(0);
    expect(data).toHaveLength(mask.data.length);
  });

  test("calls overlap in the order they are made", async () => {
    const session = remoteSession();
    const calls = [
      session.addPrompt({ frame: 0, object: 1, ...click }),
      session.addPrompt({ frame: 0, object: 2, ...click }, { signal: new TestAbort().signal }),
      session.removeObject(1),
      session.addPrompt({ frame: 0, object: 3, ...click }),
    ] as const;
    const last = await calls[3];
    expect(last.objects.map(({ id }) => id)).toEqual([2, 3]);
    await Promise.all(calls);
  });
});

describe("the end", () => {
  test("of a session frees it, after the call under way", async () => {
    const [first, second] = [remoteSession(), remoteSession()];
    for (const session of [first, second]) await session.addPrompt({ frame: 0, object: 1, ...click });
    expect(host.live).toBe(3);
    const stages: string[] = [];
    let disposed: Promise<void> | undefined;
    backend.intervene = async (step) => {
      stages.push(step);
      disposed ??= first.dispose();
    };
    const running = first.addPrompt({ frame: 1, object: 1, ...click });
    expect((await running).objects).toHaveLength(1);
    expect(stages).toContain("run maskDecoder");
    backend.intervene = async () => {};
    await disposed;
    expect([host.live, client.pending]).toEqual([2, 0]);
    await expect(first.save()).rejects.toMatchObject({ name: "StateError", code: "disposed" });
    expect(await collect(second.propagate())).toHaveLength(FRAMES);
  });

  test("of the model or the client rejects what sessions do", async () => {
    const session = remoteSession();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    await model.dispose();
    await expect(collect(session.propagate())).rejects.toMatchObject({ name: "StateError", code: "disposed" });
    expect(() => remoteSession()).toThrow("is disposed");
    await client.dispose();
    await expect(session.save()).rejects.toMatchObject({ name: "StateError", code: "disposed" });
    await session.dispose();
  });

  test("of the client in the middle of tracking leaves nothing", async () => {
    const session = remoteSession({}, { ...video, frame: (i) => (i < 2 ? video.frame(i) : new Promise(() => {})) });
    await session.addPrompt({ frame: 0, object: 1, ...click });
    const outcome = collect(session.propagate()).catch((error: unknown) => error);
    await vi.waitFor(() => expect(unanswered.size).toBeGreaterThan(0));
    await client.dispose();
    expect(await outcome).toMatchObject({ name: "StateError", code: "disposed" });
  });

  test("of the host reaches calls and frames", async () => {
    const session = remoteSession();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    const items = session.propagate();
    await items.next();
    await host.dispose();
    await expect(items.next()).rejects.toMatchObject({ name: "RemoteError", code: "lost" });
    await expect(session.save()).rejects.toBeInstanceOf(RemoteError);
  });

  test("of one client does not disturb the next one's frames on the same port", async () => {
    const session = remoteSession();
    await session.addPrompt({ frame: 0, object: 1, ...click });
    const closing = client.dispose();
    client = new RemoteClient(channel.port2);
    const next = new RemoteVideoPredictor(await client.load(file, { config: toyConfig })).start(video);
    await next.addPrompt({ frame: 0, object: 1, ...click });
    expect(await collect(next.propagate())).toHaveLength(FRAMES);
    await closing;
  });
});
