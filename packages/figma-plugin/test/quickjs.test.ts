/** The built code.js where it will run: a bare QuickJS with Figma's globals. */
import { expect, test } from "vitest";
import { bundleCode } from "../bundle.mjs";
import { Client, jobFor, settle } from "./client.ts";
import { FakeFigma } from "./fake/figma.ts";
import { pngOf } from "./fake/images.ts";
import { runInQuickJs } from "./sandbox.ts";

test("code.js opens, cuts out, refines and restores with nothing but Figma's globals", async () => {
  const code = await bundleCode();
  expect(Buffer.byteLength(code)).toBeLessThan(40_000);
  const figma = new FakeFigma();
  const fills = [{ type: "IMAGE", scaleMode: "FILL", imageHash: figma.addImage(pngOf(40, 30, 10)) }] as const;
  const layer = figma.add("RECTANGLE", { fills: [...fills], name: "photo" });
  figma.select(layer);
  figma.document.commit();
  const before = figma.document.serialise();

  const sandbox = await runInQuickJs(code, figma);
  expect([...sandbox.globals].sort()).toEqual(["__html__", "console", "figma"]);
  figma.emit("run", { command: "cut-out" });
  await settle();
  const client = new Client(figma);
  const { targets } = (await client.call("open", {})).selection;
  expect(targets).toMatchObject([{ name: "photo", width: 100 }]);
  const [target] = targets;
  if (target === undefined) throw new Error("no target");
  const { made, failed } = await client.call("apply", { jobs: [await jobFor(client, target, "mask-group")] });
  expect(failed).toEqual([]);
  const [again] = (await client.call("selection", {})).targets;
  if (again === undefined) throw new Error("no target");
  const shape = await client.call("apply", { jobs: [await jobFor(client, again, "shape")] });
  expect(shape).toEqual({ made, failed: [] });
  expect(figma.document.problems()).toEqual([]);
  expect(await client.call("restore", { nodes: made })).toEqual({ restored: 1, failed: [] });
  expect(figma.document.serialise()).toBe(before);
  await expect(client.call("picture", { hash: "gone" })).rejects.toMatchObject({ code: "image-missing" });
  expect(sandbox.failures).toEqual([]);
  sandbox.dispose();
});
