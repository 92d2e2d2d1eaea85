/** Results in the document: where they lie, that they can be undone and taken back, and that nothing is ever half made. */
import type { SceneNode, Transform } from "@figma/plugin-typings/plugin-api-standalone";
import { describe, expect, test, vi } from "vitest";
import { start } from "../src/plugin.ts";
import { type OutputKind, outputKinds } from "../src/protocol.ts";
import { box, Client, jobFor, settle, square } from "./client.ts";
import type { FakeState } from "./fake/document.ts";
import { FakeFigma, type FakeOptions } from "./fake/figma.ts";
import { pngOf } from "./fake/images.ts";
import { localOf, pageOf, shownAt } from "./fake/render.ts";

vi.stubGlobal("__html__", "<!doctype html>");

const size = { width: 40, height: 30 };
const bytes = pngOf(size.width, size.height, 10);

interface Scene {
  readonly figma: FakeFigma;
  readonly client: Client;
  readonly layer: SceneNode;
  readonly before: string;
}

/** A document with one picture in a turned frame, selected, and the plugin open. */
async function scene(paint: object = {}, state: Partial<FakeState> = {}, options: FakeOptions = {}): Promise<Scene> {
  const figma = new FakeFigma(options);
  const hash = figma.addImage(bytes);
  const frame = figma.add("FRAME", {
    relativeTransform: [
      [0.8, -0.6, 30],
      [0.6, 0.8, -20],
    ],
    width: 900,
    height: 900,
  });
  figma.add("RECTANGLE", { parent: frame.id, name: "below" });
  const layer = figma.add("RECTANGLE", {
    parent: frame.id,
    name: "photo",
    width: 200,
    height: 120,
    fills: [{ type: "IMAGE", scaleMode: "FILL", imageHash: hash, ...paint }],
    effects: [
      {
        type: "DROP_SHADOW",
        color: { r: 0, g: 0, b: 0, a: 0.5 },
        offset: { x: 0, y: 4 },
        radius: 8,
        visible: true,
        blendMode: "NORMAL",
      },
    ],
    ...state,
  });
  figma.add("RECTANGLE", { parent: frame.id, name: "above" });
  figma.select(layer);
  figma.document.commit();
  const before = figma.document.serialise();
  start(figma.api);
  figma.emit("run", { command: "cut-out" });
  await settle();
  return { figma, client: new Client(figma), layer, before };
}

const kinds: readonly (readonly [string, OutputKind, object])[] = [
  ...outputKinds.map((kind) => [kind, kind, {}] as const),
  ["mask-group by vector", "mask-group", { vector: true }],
  [
    "mask-group with line and background",
    "mask-group",
    { more: { background: { r: 1, g: 1, b: 1 }, outline: { colour: { r: 1, g: 0, b: 0 }, weight: 3 } } },
  ],
  ["fill with background", "fill", { more: { background: { r: 1, g: 1, b: 1 } } }],
];

const replacing = kinds.filter(([, kind]) => kind !== "copy" && kind !== "trimmed");

async function make({ client }: Scene, kind: OutputKind, how: object = {}) {
  const { targets } = await client.call("selection", {});
  const target = targets[0];
  if (target === undefined) throw new Error("nothing to cut out");
  return client.call("apply", { jobs: [await jobFor(client, target, kind, how)] });
}

function all(figma: FakeFigma, id: string): readonly SceneNode[] {
  const node = figma.api.currentPage;
  const visit = (one: SceneNode): readonly SceneNode[] => [
    one,
    ...("children" in one ? one.children.flatMap(visit) : []),
  ];
  return (node.children as readonly SceneNode[]).flatMap(visit).filter((one) => one.id === id || id === "");
}

const turned = (degrees: number, flip: 1 | -1): Transform => {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return [
    [flip * cos, -sin, 300],
    [flip * sin, cos, 250],
  ];
};

describe("every result lies where the picture is, to half a pixel", () => {
  const modes = [
    {
      scaleMode: "CROP",
      imageTransform: [
        [0.7, 0.1, 0.1],
        [-0.1, 0.6, 0.2],
      ],
    },
    ...["FILL", "FIT", "TILE"].flatMap((scaleMode) =>
      [0, 90, 180, 270].map((rotation) => ({ scaleMode, rotation, scalingFactor: 1.7 })),
    ),
  ];
  const places = [turned(0, 1), turned(33, 1), turned(0, -1), turned(120, -1)];
  const aspects = [
    [200, 120],
    [90, 210],
  ] as const;
  const grid = [0.03, 0.21, 0.5, 0.68, 0.97];

  test.each(kinds.filter(([name]) => !/with/.test(name)))("%s", { timeout: 60_000 }, async (name, kind, how) => {
    let compared = 0;
    for (const paint of modes) {
      for (const relativeTransform of places) {
        for (const [width, height] of aspects) {
          const at = await scene(paint, { relativeTransform, width, height });
          const { figma, layer } = at;
          const untouched = /vector|shape/.test(name) ? await scene(paint, { relativeTransform, width, height }) : at;
          const beside = kind === "copy" || kind === "trimmed";
          const points = grid.flatMap((x) => grid.map((y) => pageOf(layer, [x * width, y * height])));
          const wanted = points.map((point) => shownAt(figma, layer, point));
          const corner = square[0]?.slice(0, 2) as [number, number];
          const old = pageOf(layer, [0, 0]);
          const { made, failed } = await make(at, kind, how);
          if (kind === "trimmed" && failed[0]?.code === "not-allowed") continue; // cropped away
          expect(failed).toEqual([]);
          const home = all(figma, made[0] ?? "")[0] as SceneNode;
          const inside = "children" in home ? home.children : [home];
          const result = inside.find((one) => ["Mask", "Object 1"].includes(one.name)) ?? home;
          if ("vectorPaths" in result) {
            // The first point of the path must lie where its pixel was.
            const [x = 0, y = 0] = (result.vectorPaths[0]?.data.match(/-?[\d.]+/g) ?? []).map(Number);
            const page = pageOf(result, [x, y]);
            const local = localOf(layer, page);
            const shown = shownAt(untouched.figma, untouched.layer, page);
            if (local[0] < 0 || local[1] < 0 || local[0] > width || local[1] > height) continue;
            if (shown === undefined) continue;
            expect(Math.hypot(shown.u - corner[0], shown.v - corner[1])).toBeLessThan(0.5);
            compared += 1;
            if (kind !== "shape") continue;
          }
          // A copy is as it was, moved to the right in its frame.
          const space = (layer.parent as unknown as SceneNode & { absoluteTransform: Transform }).absoluteTransform;
          const t = (layer as { relativeTransform: Transform }).relativeTransform;
          const shift = beside ? Math.abs(t[0][0]) * width + Math.abs(t[0][1]) * height + 24 : 0;
          for (const [i, point] of points.entries()) {
            const moved = [point[0] + space[0][0] * shift, point[1] + space[1][0] * shift] as const;
            const got = shownAt(figma, result, moved);
            const want = wanted[i];
            const part = kind === "trimmed" ? box : { x: 0, y: 0 };
            if (kind === "trimmed" || kind === "shape") {
              if (got === undefined) continue; // a part of the layer
              if (
                paint.scaleMode === "TILE" &&
                want !== undefined &&
                Math.hypot(got.u + part.x - want.u, got.v + part.y - want.v) > 1
              )
                continue;
            }
            expect(got === undefined, `${JSON.stringify(paint)} ${width}x${height}`).toBe(want === undefined);
            if (got === undefined || want === undefined) continue;
            expect(got.hash).not.toBe(want.hash);
            // At the border of two tiles either of them is right.
            const tiled = (d: number, tile: number): number => (paint.scaleMode === "TILE" ? Math.min(d, tile - d) : d);
            const off = [
              tiled(Math.abs(got.u + part.x - want.u), size.width),
              tiled(Math.abs(got.v + part.y - want.v), size.height),
            ];
            expect(Math.max(...off)).toBeLessThan(0.5);
            compared += 1;
          }
          expect(pageOf(layer, [0, 0])).toEqual(old);
        }
      }
    }
    expect(compared).toBeGreaterThan(kind === "mask-group" && "vector" in how ? 20 : 200);
  });
});

describe("what was made can be undone, taken back and made again", () => {
  test.each(kinds)("%s", async (_, kind, how) => {
    const at = await scene();
    const { figma, before } = at;
    const { failed } = await make(at, kind, how);
    expect(failed).toEqual([]);
    const made = figma.document.serialise();
    expect(made).not.toBe(before);
    expect(figma.document.problems()).toEqual([]);
    figma.undo();
    expect(figma.document.serialise()).toBe(before);
  });

  test.each(replacing)("%s: restored", async (_, kind, how) => {
    const at = await scene();
    const { figma, client, before } = at;
    const { made } = await make(at, kind, how);
    expect(await client.call("restore", { nodes: made })).toEqual({ restored: 1, failed: [] });
    expect(figma.document.serialise()).toBe(before);
  });

  test.each(
    replacing.flatMap(([a, , ha], i) =>
      replacing.map(([b, kb, hb]) => [a, b, replacing[i]?.[1] as OutputKind, ha, kb, hb] as const),
    ),
  )("%s becomes %s, and the original again", async (_, __, first, how, second, then) => {
    const at = await scene();
    const { figma, client, before } = at;
    await make(at, first, how);
    const { targets } = await client.call("selection", {});
    expect(targets).toMatchObject([{ name: "photo", made: { kind: first, edit: "{}" } }]);
    const { made, failed } = await make(at, second, { ...then, grey: 160 });
    expect(failed).toEqual([]);
    expect(figma.document.problems()).toEqual([]);
    expect((await client.call("selection", {})).targets).toMatchObject([{ made: { kind: second } }]);
    const tree = figma.document.serialise();
    figma.undo();
    expect(figma.document.serialise()).not.toBe(tree);
    figma.undo();
    expect(figma.document.serialise()).toBe(before);
    void made;
  });

  test("a mask has the paint's geometry alone, and the shadow follows the cutout", async () => {
    const at = await scene({ filters: { exposure: 0.4 }, opacity: 0.5, blendMode: "MULTIPLY" });
    const { made } = await make(at, "mask-group");
    const group = all(at.figma, made[0] ?? "")[0] as SceneNode & { children: readonly SceneNode[]; effects: unknown[] };
    const [mask, content] = group.children as readonly (SceneNode & {
      fills: object[];
      isMask: boolean;
      effects: unknown[];
    })[];
    expect(group.name).toBe("photo");
    expect(mask).toMatchObject({ name: "Mask", isMask: true, maskType: "ALPHA" });
    expect(mask?.fills).toEqual([
      {
        type: "IMAGE",
        scaleMode: "FILL",
        imageHash: expect.any(String),
        visible: true,
        opacity: 1,
        blendMode: "NORMAL",
      },
    ]);
    expect(content?.fills).toMatchObject([{ filters: { exposure: 0.4 }, opacity: 0.5, blendMode: "MULTIPLY" }]);
    expect(group.effects).toHaveLength(1);
    expect(content?.effects).toEqual([]);
  });

  test("what somebody put into the group stays when the original is restored", async () => {
    const at = await scene();
    const { figma, client } = at;
    const { made } = await make(at, "objects");
    const note = figma.add("RECTANGLE", { parent: made[0] ?? "", name: "note" });
    const tree = figma.document.serialise();
    for (let n = 0; ; n++) {
      figma.refusedWrite = figma.writes + n;
      const { restored } = await client.call("restore", { nodes: made });
      if (restored === 1) break;
      expect(figma.document.serialise(), `write ${n}`).toBe(tree);
    }
    expect(figma.document.find(made[0] ?? "")?.children).toEqual([note.id]);
    expect(figma.document.find(note.id)?.parent).toBe(made[0]);
    expect(figma.document.find(at.layer.id)?.parent).not.toBe(made[0]);
    expect(figma.document.problems()).toEqual([]);
  });

  test("the original is restored where somebody has removed the mask, and whichever write Figma refuses, stays", async () => {
    const at = await scene();
    const { figma, client, before } = at;
    const { made } = await make(at, "mask-group");
    const mask = figma.document.state(made[0] ?? "").children[0] ?? "";
    figma.document.remove(mask);
    const tree = figma.document.serialise();
    for (let n = 0; ; n++) {
      figma.refusedWrite = figma.writes + n;
      const { restored } = await client.call("restore", { nodes: made });
      expect(figma.document.problems(), `write ${n}`).toEqual([]);
      expect(figma.document.serialise(), `write ${n}`).toBe(restored === 1 ? before : tree);
      if (restored === 1) break;
    }
  });

  test("an image above Figma's limit comes back smaller, and lies in the same place", async () => {
    const at = await scene({ scaleMode: "TILE", scalingFactor: 1.7 });
    const { made } = await make(at, "fill", { size: { width: 20, height: 15 } });
    const node = all(at.figma, made[0] ?? "")[0] as SceneNode & { fills: readonly object[] };
    expect(node.fills[1]).toMatchObject({ scalingFactor: 3.4 });
  });
});

describe("nothing is ever half made", () => {
  type Event = (figma: FakeFigma, layer: SceneNode) => void;
  const events: readonly (readonly [string, Event])[] = [
    ["the layer is deleted", ({ document }, { id }) => document.find(id) && document.remove(id)],
    ["the page is undone", ({ document }) => document.undo()],
    ["the image is replaced", (figma, { id }) => Object.assign(figma.document.find(id) ?? {}, { fills: [] })],
    ["the layer is locked", (figma, { id }) => Object.assign(figma.document.find(id) ?? {}, { locked: true })],
    ["the layer is resized", (figma, { id }) => Object.assign(figma.document.find(id) ?? {}, { width: 77 })],
    ["the selection goes", (figma) => figma.select()],
    ["the plugin is closed", (figma) => figma.close()],
  ];
  test.each(events.flatMap(([what, event]) => outputKinds.map((kind) => [what, kind, event] as const)))(
    "%s between any two steps of %s",
    async (_, kind, event) => {
      for (let n = 0; ; n++) {
        let happened = false;
        let expected = "";
        const at = await scene();
        const { figma, layer } = at;
        const first = figma.answers;
        figma.between = (answer) => {
          if (answer !== first + n) return;
          happened = true;
          event(figma, layer);
          figma.document.commit();
          expected = figma.document.serialise();
        };
        void make(at, kind).catch(() => undefined);
        await settle();
        expect(figma.document.problems()).toEqual([]);
        if (!happened) break;
        const now = figma.document.serialise();
        // Either what the person did stands alone, or the result came after it and can be undone.
        if (now !== expected) {
          figma.undo();
          expect(figma.document.serialise()).toBe(expected);
        }
      }
    },
  );

  test.each(outputKinds)("killed at any step of %s: all or nothing", async (kind) => {
    const whole = await scene();
    await make(whole, kind);
    const after = whole.figma.document.serialise();
    const { answers } = whole.figma;
    expect(answers).toBeGreaterThan(3);
    for (let killAt = 0; killAt < answers; killAt++) {
      const at = await scene({}, {}, { killAt });
      void make(at, kind).catch(() => undefined);
      await settle();
      expect([at.before, after]).toContain(at.figma.document.serialise());
    }
  });

  test.each(kinds)("whichever write Figma refuses for %s, all is as before", async (_, kind, how) => {
    for (let n = 0; ; n++) {
      const at = await scene();
      const { figma, before } = at;
      figma.refusedWrite = figma.writes + n;
      const { made } = await make(at, kind, how);
      if (made.length > 0) {
        expect(n).toBeGreaterThan(2);
        break;
      }
      expect(figma.document.serialise(), `write ${n}`).toBe(before);
    }
  });

  test.each(replacing)("whichever write Figma refuses while %s is restored, it stays made", async (_, kind, how) => {
    for (let n = 0; ; n++) {
      const at = await scene();
      const { figma, client, before } = at;
      const { made } = await make(at, kind, how);
      const tree = figma.document.serialise();
      figma.refusedWrite = figma.writes + n;
      const { restored } = await client.call("restore", { nodes: made });
      expect(figma.document.serialise(), `write ${n}`).toBe(restored === 1 ? before : tree);
      if (restored === 1) break;
    }
  });

  test("whichever write Figma refuses while a result in auto layout is restored, it stays made", async () => {
    for (let n = 0; ; n++) {
      const at = await scene();
      const { figma, client, layer } = at;
      const { document } = figma;
      document.state(layer.parent?.id ?? "").layoutMode = "HORIZONTAL";
      Object.assign(document.state(layer.id), { layoutGrow: 1, layoutAlign: "STRETCH" });
      document.layOut();
      const before = document.serialise();
      const { made } = await make(at, "mask-group");
      // Figma's grow and alignment mean nothing in a group.
      Object.assign(document.state(layer.id), { layoutGrow: 0, layoutAlign: "INHERIT" });
      const tree = document.serialise();
      figma.refusedWrite = figma.writes + n;
      const { restored } = await client.call("restore", { nodes: made });
      expect(document.serialise(), `write ${n}`).toBe(restored === 1 ? before : tree);
      if (restored === 1) break;
    }
  });

  test.each(
    replacing.flatMap(([a, first, how]) =>
      replacing.map(([b, second, then]) => [a, b, first, how, second, then] as const),
    ),
  )(
    "whichever write Figma refuses while %s becomes %s, the one before stays whole",
    async (_, __, first, how, second, then) => {
      const at = await scene();
      const { figma, client, before } = at;
      await make(at, first, how);
      const tree = figma.document.serialise();
      for (let n = 0; ; n++) {
        figma.refusedWrite = figma.writes + n;
        const { made } = await make(at, second, { ...then, grey: 160 });
        expect(figma.document.problems(), `write ${n}`).toEqual([]);
        if (made.length > 0) {
          expect(n).toBeGreaterThan(2);
          break;
        }
        expect(figma.document.serialise(), `write ${n}`).toBe(tree);
      }
      figma.refusedWrite = undefined;
      await client.call("restore", { nodes: [at.layer.id] });
      expect(figma.document.serialise()).toBe(before);
    },
  );

  test.each(outputKinds)("a file that may only be viewed refuses %s and stays as it is", async (kind) => {
    const at = await scene({}, {}, { readOnly: true });
    expect(await make(at, kind)).toMatchObject({ made: [], failed: [{ code: "write-refused" }] });
    expect(at.figma.document.serialise()).toBe(at.before);
  });
});
