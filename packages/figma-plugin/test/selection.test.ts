/** What the plugin finds in a selection, and what it allows there. */
import type { SceneNode } from "@figma/plugin-typings/plugin-api-standalone";
import { describe, expect, test, vi } from "vitest";
import { start } from "../src/plugin.ts";
import type { OutputKind } from "../src/protocol.ts";
import { Client, jobFor, settle } from "./client.ts";
import type { FakeState, FakeType } from "./fake/document.ts";
import { FakeFigma } from "./fake/figma.ts";
import { pngOf } from "./fake/images.ts";

vi.stubGlobal("__html__", "<!doctype html>");

const figmaWith = (): { figma: FakeFigma; photo: (state?: Partial<FakeState>, type?: FakeType) => SceneNode } => {
  const figma = new FakeFigma();
  const hash = figma.addImage(pngOf(40, 30, 10));
  const photo = (state: Partial<FakeState> = {}, type: FakeType = "RECTANGLE"): SceneNode =>
    figma.add(type, { fills: [{ type: "IMAGE", scaleMode: "FILL", imageHash: hash }], name: "photo", ...state });
  return { figma, photo };
};

async function open(figma: FakeFigma, ...selected: readonly SceneNode[]): Promise<Client> {
  figma.select(...selected);
  figma.document.commit();
  start(figma.api);
  figma.emit("run", { command: "cut-out" });
  await settle();
  return new Client(figma);
}

const everything: readonly OutputKind[] = ["mask-group", "fill", "copy", "trimmed", "objects", "shape"];
const outOfPlace: readonly OutputKind[] = ["fill", "copy", "trimmed"];

describe("which results a layer allows", () => {
  test.each<[string, Partial<FakeState>, FakeType, readonly OutputKind[]]>([
    ["a rectangle", {}, "RECTANGLE", everything],
    ["an empty frame", {}, "FRAME", everything],
    ["text", {}, "TEXT", ["fill", "copy"]],
    ["a section", {}, "SECTION", ["fill"]],
    ["a slide", {}, "SLIDE", ["fill"]],
    ["a component", {}, "COMPONENT", ["fill"]],
    ["a mask", { isMask: true }, "ELLIPSE", outOfPlace],
  ])("%s", async (_, state, type, outputs) => {
    const { figma, photo } = figmaWith();
    const client = await open(figma, photo(state, type));
    expect((await client.call("selection", {})).targets.map((one) => one.outputs)).toEqual([outputs]);
  });

  test("what lies in something", async () => {
    const { figma, photo } = figmaWith();
    const inside = (type: FakeType): SceneNode => photo({ parent: figma.add(type).id });
    const layers = [
      inside("INSTANCE"),
      inside("BOOLEAN_OPERATION"),
      inside("COMPONENT"),
      inside("SECTION"),
      inside("SLIDE"),
    ];
    const { targets } = await (await open(figma, ...layers)).call("selection", {});
    expect(targets.map(({ outputs }) => outputs)).toEqual([outOfPlace, outOfPlace, everything, everything, everything]);
    expect(targets.map(({ cautions }) => cautions)).toEqual([[], [], ["component"], [], []]);
  });

  test("a frame with layers in it would be masked with them", async () => {
    const { figma, photo } = figmaWith();
    const frame = photo({}, "FRAME");
    photo({ parent: frame.id, name: "inner" });
    const { targets } = await (await open(figma, frame)).call("selection", {});
    expect(targets.map(({ name, outputs }) => [name, outputs])).toEqual([
      ["photo", outOfPlace],
      ["inner", everything],
    ]);
  });
});

test("of several images in a layer the topmost visible one comes first, strokes last", async () => {
  const { figma, photo } = figmaWith();
  const [low, high, hidden, line] = [20, 30, 40, 50].map((grey) => figma.addImage(pngOf(40, 30, grey)));
  const paint = (imageHash = "", more = {}) => ({ type: "IMAGE", scaleMode: "FIT", imageHash, ...more }) as const;
  const layer = photo({
    fills: [paint(low), { type: "SOLID", color: { r: 1, g: 0, b: 0 } }, paint(high), paint(hidden, { visible: false })],
    strokes: [paint(line)],
    fillStyleId: "S:1",
  });
  const { targets } = await (await open(figma, layer)).call("selection", {});
  expect(targets.map(({ field, hash }) => [field, hash])).toEqual([
    ["fills", high],
    ["fills", low],
    ["strokes", line],
  ]);
  expect(targets[0]?.cautions).toEqual(["style", "stroke"]);
  expect(targets[2]?.outputs).toEqual(["fill", "copy"]);
});

test("what cannot be cut out is said with its reason", async () => {
  const { figma, photo } = figmaWith();
  const layers = [
    photo({ locked: true }),
    photo({ visible: false }),
    photo({ fills: "mixed" }, "TEXT"),
    photo({ fills: [] }),
    photo({ fills: [{ type: "VIDEO", scaleMode: "FILL", videoHash: "x" }] }),
    photo({
      fills: [
        {
          type: "GRADIENT_LINEAR",
          gradientTransform: [
            [1, 0, 0],
            [0, 1, 0],
          ],
          gradientStops: [],
        },
      ],
    }),
    photo({ width: 0 }),
    photo({ parent: figma.add("FRAME", { locked: true }).id }),
    figma.add("GROUP"),
  ];
  figma.add("RECTANGLE", { parent: layers[8]?.id ?? "" });
  const { targets, refused } = await (await open(figma, ...layers)).call("selection", {});
  expect(targets).toEqual([]);
  expect(refused.map(({ refusal }) => refusal)).toEqual([
    ...["locked", "hidden", "mixed-fills", "no-image", "video", "gradient", "empty", "locked"],
  ]);
});

test("a group takes the layer's slot in auto layout, and nothing around moves", async () => {
  const { figma, photo } = figmaWith();
  const row = figma.add("FRAME", { layoutMode: "HORIZONTAL", itemSpacing: 7 });
  figma.add("RECTANGLE", { parent: row.id, name: "first" });
  const layer = photo({ parent: row.id, layoutGrow: 1, width: 60 });
  const last = figma.add("RECTANGLE", { parent: row.id, name: "last" }) as SceneNode & { x: number };
  const client = await open(figma, layer);
  const before = figma.document.serialise();
  const [target] = (await client.call("selection", {})).targets;
  if (target === undefined) throw new Error("no target");
  const { made } = await client.call("apply", { jobs: [await jobFor(client, target, "mask-group")] });
  expect(figma.document.state(row.id).children[1]).toBe(made[0]);
  expect(figma.document.state(made[0] ?? "")).toMatchObject({ layoutGrow: 1, layoutPositioning: "AUTO" });
  expect(last.x).toBe(100 + 7 + 60 + 7);
  await client.call("restore", { nodes: made });
  expect(figma.document.serialise()).toBe(before);
});

test("a group that would take more room in auto layout is not made", async () => {
  const { figma, photo } = figmaWith();
  const column = figma.add("FRAME", { layoutMode: "VERTICAL" });
  // The image is cropped above and below; its object's outline is not.
  const layer = photo({ parent: column.id, width: 200, height: 60 });
  figma.add("RECTANGLE", { parent: column.id, name: "last" });
  const client = await open(figma, layer);
  const before = figma.document.serialise();
  const [target] = (await client.call("selection", {})).targets;
  if (target === undefined) throw new Error("no target");
  for (const kind of ["mask-group", "shape"] as const) {
    const job = await jobFor(client, target, kind, { vector: kind === "mask-group" });
    const { failed } = await client.call("apply", { jobs: [job] });
    expect(failed, kind).toMatchObject([{ code: "layout" }]);
    expect(figma.document.serialise(), kind).toBe(before);
  }
});

test("a layer of an instance is changed by its fill, or copied out above the outermost instance", async () => {
  const { figma, photo } = figmaWith();
  const outer = figma.add("INSTANCE", {
    relativeTransform: [
      [1, 0, 50],
      [0, 1, 60],
    ],
  });
  const inner = figma.add(
    "INSTANCE",
    {
      parent: outer.id,
      relativeTransform: [
        [1, 0, 5],
        [0, 1, 6],
      ],
    },
    "I1:9;2:1",
  );
  const layer = photo({ parent: inner.id });
  const client = await open(figma, layer);
  const [target] = (await client.call("selection", {})).targets;
  if (target === undefined) throw new Error("no target");
  expect((await client.call("apply", { jobs: [await jobFor(client, target, "mask-group")] })).failed).toMatchObject([
    { code: "not-allowed" },
  ]);
  const { made } = await client.call("apply", { jobs: [await jobFor(client, target, "copy")] });
  const copy = figma.document.state(made[0] ?? "");
  expect(copy.parent).toBe(figma.document.pageId);
  expect(figma.document.absoluteTransform(copy.id)).toEqual([
    [1, 0, 55 + 100 + 24],
    [0, 1, 66],
  ]);
  expect((await client.call("apply", { jobs: [await jobFor(client, target, "fill")] })).failed).toEqual([]);
  expect(figma.document.problems()).toEqual([]);
});

test("twenty layers are one step of undo, and one that fails hinders no other", async () => {
  const { figma, photo } = figmaWith();
  const layers = Array.from({ length: 20 }, () => photo());
  const client = await open(figma, ...layers);
  const before = figma.document.serialise();
  const { targets } = await client.call("selection", {});
  expect(targets).toHaveLength(20);
  const jobs = await Promise.all(targets.map((target) => jobFor(client, target, "mask-group")));
  figma.document.state(layers[3]?.id ?? "").width = 5;
  const changed = figma.document.serialise();
  const { made, failed } = await client.call("apply", { jobs });
  expect(made).toHaveLength(19);
  expect(failed).toMatchObject([{ node: layers[3]?.id, code: "layer-changed" }]);
  expect(figma.selected).toEqual(made);
  figma.undo();
  expect(figma.document.serialise()).toBe(changed);
  figma.undo();
  expect(figma.document.serialise()).toBe(before);
});

test("a layer's notes above Figma's limit are left out, and the result still is", async () => {
  const { figma, photo } = figmaWith();
  const client = await open(figma, photo());
  const [target] = (await client.call("selection", {})).targets;
  if (target === undefined) throw new Error("no target");
  const edit = "é".repeat(60_000);
  await client.call("apply", { jobs: [await jobFor(client, target, "fill", { more: { edit } })] });
  expect((await client.call("selection", {})).targets).toMatchObject([{ made: { kind: "fill", edit: "" } }]);
});

test.each(["{", "null", '{"version":2}', '{"version":1,"kind":"fill"}'])(
  "a record that is none of ours is left alone: %s",
  async (text) => {
    const { figma, photo } = figmaWith();
    const layer = photo({ pluginData: { masklet: text } });
    const { targets } = await (await open(figma, layer)).call("selection", {});
    expect(targets).toMatchObject([{ made: null }]);
  },
);
