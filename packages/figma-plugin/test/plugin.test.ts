/** Commands, messages and their refusals. */
import { expect, test, vi } from "vitest";
import { start } from "../src/plugin.ts";
import { defaultSettings, type Method, protocolVersion } from "../src/protocol.ts";
import { Client, jobFor, settle } from "./client.ts";
import { FakeFigma, type FakeOptions } from "./fake/figma.ts";
import { pngOf } from "./fake/images.ts";

vi.stubGlobal("__html__", "<!doctype html>");

const photo = pngOf(40, 30, 10);

async function run(options: FakeOptions & { readonly parameters?: object } = {}): Promise<FakeFigma> {
  const figma = new FakeFigma(options);
  const fills = [{ type: "IMAGE", scaleMode: "FILL", imageHash: figma.addImage(photo) }] as const;
  figma.select(figma.add("RECTANGLE", { fills: [...fills], name: "photo" }));
  figma.document.commit();
  start(figma.api);
  figma.emit("run", { command: figma.api.command, parameters: options.parameters });
  await settle();
  return figma;
}

async function cutOut(figma: FakeFigma, client: Client): Promise<string> {
  const [target] = (await client.call("selection", {})).targets;
  if (target === undefined) throw new Error("no target");
  const { made } = await client.call("apply", { jobs: [await jobFor(client, target, "mask-group")] });
  expect(figma.document.problems()).toEqual([]);
  return made[0] ?? "";
}

test("the UI gets what the plugin was started for, and follows the selection", async () => {
  const figma = await run();
  expect(figma.window).toMatchObject({ visible: true, themeColors: true, ...defaultSettings.window });
  const client = new Client(figma);
  expect(await client.call("open", {})).toMatchObject({
    command: "cut-out",
    output: null,
    settings: defaultSettings,
    selection: { targets: [{ name: "photo", width: 100, height: 100 }], refused: [] },
  });
  figma.select();
  expect(client.events).toEqual([
    { masklet: protocolVersion, event: "selection", selection: { targets: [], refused: [] } },
  ]);
});

test("a command without a window shows none, says what it did, and opens for refining", async () => {
  const figma = await run({ command: "remove-background", parameters: { output: "fill" } });
  expect(figma.window?.visible).toBe(false);
  const client = new Client(figma);
  expect(await client.call("open", {})).toMatchObject({ command: "remove-background", output: "fill" });
  await cutOut(figma, client);
  await client.call("finish", { message: `Background removed${"!".repeat(200)}`, refine: true });
  const [notified] = figma.notified;
  expect(notified?.message).toHaveLength(100);
  notified?.options?.onDequeue?.("action_button_click");
  notified?.options?.button?.action();
  expect(figma.window?.visible).toBe(true);
  expect(client.events.at(-1)).toMatchObject({ selection: { targets: [{ made: { kind: "mask-group" } }] } });
  expect(figma.closed).toBeUndefined();
});

test("a message that runs out ends a plugin without a window", async () => {
  const figma = await run({ command: "remove-background" });
  await new Client(figma).call("finish", { message: "Background removed", refine: true });
  figma.notified[0]?.options?.onDequeue?.("timeout");
  expect(figma.closed).toBeDefined();
});

test("Restore takes back what is selected without a window, and says when there is nothing", async () => {
  const figma = new FakeFigma({ command: "restore" });
  figma.select(
    figma.add("RECTANGLE", { fills: [{ type: "IMAGE", scaleMode: "FILL", imageHash: figma.addImage(photo) }] }),
  );
  start(figma.api);
  figma.emit("run", { command: "cut-out" });
  await settle();
  expect(figma.notified.map(({ message }) => message)).toEqual(["Nothing in the selection was cut out by Masklet"]);
  expect(figma.window).toBeUndefined();
  expect(figma.closed).toBeDefined();
});

test("a quick action offers the results that need no more than a click", async () => {
  const figma = await run();
  const offered: unknown[] = [];
  figma.emit("input", {
    key: "output",
    query: "cop",
    parameters: {},
    result: { setSuggestions: (all: unknown) => offered.push(all) },
  });
  expect(offered).toEqual([
    [
      { name: "Copy", data: "copy" },
      { name: "Trimmed copy", data: "trimmed" },
    ],
  ]);
});

test("images come and go as bytes, with Figma's refusals in words", async () => {
  const figma = await run();
  const client = new Client(figma);
  const { hash } = (await client.call("selection", {})).targets[0] ?? { hash: "" };
  expect(await client.call("picture", { hash })).toEqual({ bytes: photo, width: 40, height: 30, colours: "srgb" });
  await expect(client.call("picture", { hash: "gone" })).rejects.toMatchObject({ code: "image-missing" });
  await expect(client.call("store", { bytes: pngOf(4097, 1) })).rejects.toMatchObject({
    code: "image-refused",
    message: expect.stringContaining("too large"),
  });
  await expect(client.call("store", { bytes: new TextEncoder().encode("RIFF....WEBP") })).rejects.toMatchObject({
    message: expect.stringContaining("unsupported"),
  });
  const wide = new Client(await run({ profile: "DISPLAY_P3" }));
  expect(await wide.call("picture", { hash })).toMatchObject({ colours: "display-p3" });
  const offline = await run({ offline: [hash] });
  await expect(new Client(offline).call("picture", { hash })).rejects.toMatchObject({ code: "image-missing" });
});

test("what looks like one of ours and is not gets an error; what does not gets nothing", async () => {
  const figma = await run();
  const client = new Client(figma);
  const bad: readonly (readonly [Method, unknown])[] = [
    ["picture", {}],
    ["store", { bytes: [1, 2, 3] }],
    ["apply", { jobs: [{ node: "1:2" }] }],
    ["resize", { width: "wide", height: 5 }],
    ["settings", { settings: { ...defaultSettings, result: 5 } }],
  ];
  for (const [method, params] of bad) {
    await expect(client.call(method, params as never), method).rejects.toMatchObject({ code: "bad-message" });
  }
  const heard = client.events.length;
  for (const message of [
    null,
    5,
    "x",
    { masklet: 99, id: 1, method: "open" },
    { masklet: protocolVersion, id: 7, method: "toString" },
  ]) {
    figma.send(message);
  }
  await settle();
  expect(client.events).toHaveLength(heard);
});

test("the message channel refuses what Figma's does", async () => {
  const figma = await run();
  for (const bytes of [new ArrayBuffer(4), new Float32Array(4), new Blob([])]) {
    expect(() => figma.send({ masklet: protocolVersion, id: 1, method: "store", params: { bytes } })).toThrow(
      /Cannot send/,
    );
  }
});

test("settings are kept, and a stored value that is none is not taken", async () => {
  const figma = await run();
  const settings = { ...defaultSettings, result: "fill", feather: 3 };
  expect(await new Client(figma).call("settings", { settings })).toEqual({ kept: true });
  expect(figma.storage.get("settings")).toEqual(settings);
  figma.storage.set("other", new Uint8Array(5_100_000));
  expect(await new Client(figma).call("settings", { settings })).toEqual({ kept: false });
  const { hair: _, outline: __, ...earlier } = settings;
  const updated = new FakeFigma();
  updated.storage.set("settings", earlier);
  start(updated.api);
  updated.emit("run", {});
  await settle();
  expect(await new Client(updated).call("open", {})).toMatchObject({ settings });
  const later = new FakeFigma();
  later.storage.set("settings", { feather: "soft" });
  start(later.api);
  later.emit("run", {});
  await settle();
  expect(await new Client(later).call("open", {})).toMatchObject({ settings: defaultSettings });
});

test("a model's file is kept where there is room for it, and only then", async () => {
  const figma = await run();
  const client = new Client(figma);
  expect(await client.call("keptFinder", {})).toEqual({ finder: null });
  const small = { name: "u2netp.onnx", kind: "u2net", bytes: new Uint8Array(4_600_000).fill(3) };
  expect(await client.call("keepFinder", { finder: small })).toEqual({ kept: true });
  const { finder } = await client.call("keptFinder", {});
  expect([finder?.name, finder?.kind, finder?.bytes.length, finder?.bytes[9]]).toEqual([
    "u2netp.onnx",
    "u2net",
    4_600_000,
    3,
  ]);
  const large = { ...small, bytes: new Uint8Array(5_100_000) };
  expect(await client.call("keepFinder", { finder: large })).toEqual({ kept: false });
  // Nor does the one before it come back.
  expect(await client.call("keptFinder", {})).toEqual({ finder: null });
  await client.call("keepFinder", { finder: small });
  expect(await client.call("keepFinder", { finder: null })).toEqual({ kept: false });
  expect(await client.call("keptFinder", {})).toEqual({ finder: null });
});

test("a command without a window says that it works, and can be cancelled", async () => {
  const figma = await run({ command: "remove-background" });
  const client = new Client(figma);
  await client.call("busy", { message: "Looking for the subject…" });
  const [notified] = figma.notified;
  expect(notified).toMatchObject({ message: "Looking for the subject…", options: { button: { text: "Cancel" } } });
  notified?.options?.button?.action();
  expect(figma.closed).toBeDefined();
});

test("a window is resized within what it can be used in", async () => {
  const figma = await run();
  await new Client(figma).call("resize", { width: 10, height: 900.4 });
  expect(figma.window).toMatchObject({ width: 320, height: 900 });
});

test("another layer is a mask where it lies, and over the whole layer from elsewhere", async () => {
  const figma = await run();
  const client = new Client(figma);
  const { node, hash, geometry } = (await client.call("selection", {})).targets[0] ?? { node: "", hash: "" };
  const place = (x: number, y: number): string =>
    figma.add("RECTANGLE", {
      width: 20,
      height: 40,
      fills: [{ type: "IMAGE", scaleMode: "FILL", imageHash: figma.addImage(pngOf(20, 40, 255)) }],
      relativeTransform: [
        [1, 0, x],
        [0, 1, y],
      ],
    }).id;
  const at = async (mask: string, [x, y]: readonly [number, number]): Promise<readonly number[]> => {
    const { map } = await client.call("maskLayer", { node, hash, geometry: geometry ?? { scaleMode: "FILL" }, mask });
    return map.map(([a, b, c]) => a * x + b * y + c);
  };
  // Of 40 x 30 pixels in 100 x 100 the middle is in the middle.
  const middle = [20, 15] as const;
  for (const value of await at(place(50, 50), middle)) expect(value).toBeCloseTo(0);
  const [u, v] = await at(place(40, 40), middle);
  expect([u, v]).toEqual([expect.closeTo(0.5), expect.closeTo(0.25)]);
  expect(await at(place(400, 0), middle)).toEqual([expect.closeTo(0.5), expect.closeTo(0.5)]);
  await expect(at("9:9", middle)).rejects.toMatchObject({ code: "layer-changed" });
});

test("what a layer looks like becomes a layer with an image, in its place", async () => {
  const figma = await run();
  const client = new Client(figma);
  const video = figma.add("RECTANGLE", {
    fills: [{ type: "VIDEO", scaleMode: "FILL", videoHash: "x" }],
    relativeTransform: [
      [1, 0, 40],
      [0, 1, 50],
    ],
  });
  const { node } = await client.call("flatten", { node: video.id });
  expect(figma.document.state(node)).toMatchObject({
    relativeTransform: [
      [1, 0, 40],
      [0, 1, 50],
    ],
    width: 100,
  });
  expect(figma.selected).toEqual([node]);
  expect(await cutOut(figma, client)).not.toBe("");
});
