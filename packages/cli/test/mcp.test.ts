/** `masklet mcp`. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { decompressRle, readImage, rleArea } from "@masklet/core/node";
import { expect, test } from "vitest";
import { cli, type RunResult, scene, temporaryFolder } from "./cli.ts";

const folder = temporaryFolder();
const root = dirname(scene);

interface Answer {
  readonly jsonrpc: "2.0";
  readonly id: string | number | null;
  readonly result?: {
    readonly content: readonly { readonly type: string; readonly text: string; readonly data: string }[];
    readonly isError?: boolean;
  };
  readonly error?: { readonly code: number; readonly message: string };
}

/** Sends lines, requests numbered from 1, and ends; the answers by their id. */
async function ask(
  messages: readonly (object | string)[],
  ...args: readonly string[]
): Promise<RunResult & { readonly answers: readonly Answer[]; readonly of: (id: unknown) => Answer }> {
  let id = 0;
  const lines = messages.map((one) =>
    typeof one === "string" ? one : JSON.stringify({ jsonrpc: "2.0", ...("id" in one ? {} : { id: ++id }), ...one }),
  );
  const ended = await cli(["mcp", "--model", "nano", ...args], { stdin: Buffer.from(`${lines.join("\n")}\n`) });
  const answers = ended.stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Answer);
  return { ...ended, answers, of: (wanted) => answers.find(({ id: own }) => own === wanted) as Answer };
}

const call = (name: string, args: object): object => ({ method: "tools/call", params: { name, arguments: args } });

test("introduces itself with the revision that is asked for, and lists its tools", async () => {
  const { answers, of, code, stderr } = await ask([
    { method: "initialize", params: { protocolVersion: "2025-03-26", capabilities: {}, clientInfo: {} } },
    { method: "notifications/initialized", id: undefined },
    { method: "tools/list" },
    { method: "ping" },
    { method: "initialize", params: { protocolVersion: "1999-01-01" } },
  ]);
  expect([code, stderr, answers.length]).toEqual([0, "", 4]);
  expect(of(1).result).toMatchObject({
    protocolVersion: "2025-03-26",
    capabilities: { tools: {} },
    serverInfo: { name: "masklet" },
  });
  const { tools } = of(2).result as unknown as { tools: readonly { name: string; inputSchema: { type: string } }[] };
  expect(tools.map(({ name }) => name)).toEqual(["masklet_segment", "masklet_labels_check", "masklet_dataset_stats"]);
  for (const { inputSchema } of tools) expect(inputSchema.type).toBe("object");
  expect(of(3).result).toEqual({});
  expect(of(4).result).toMatchObject({ protocolVersion: "2025-06-18" });
});

test("finds an object, and shows it", async () => {
  const { of, code } = await ask(
    [
      call("masklet_segment", { image: "scene.png", points: [[134, 120]] }),
      call("masklet_segment", { image: "scene.png", box: [45, 35, 224, 209] }),
    ],
    "--root",
    root,
  );
  expect(code).toBe(0);
  for (const id of [1, 2]) {
    const [told, picture] = of(id).result?.content ?? [];
    const found = JSON.parse(told?.text ?? "");
    expect(found).toMatchObject({ model: "sam2.1-hiera-nano", image: { width: 640, height: 640 } });
    expect(found.score).toBeGreaterThan(0.8);
    const { x, y, width, height } = found.box;
    for (const [side, truth] of [x, y, x + width, y + height].map((one, k) => [one, [45, 35, 224, 209][k]])) {
      expect(Math.abs(side - truth)).toBeLessThan(5);
    }
    expect(rleArea(decompressRle(found.rle))).toBe(found.area);
    expect(picture).toMatchObject({ type: "image", mimeType: "image/png" });
    const shown = await readImage(Buffer.from(picture?.data ?? "", "base64"));
    expect([shown.width, shown.height]).toEqual([640, 640]);
    const plain = await readImage(scene);
    expect(shown.data.subarray(0, 300)).toEqual(plain.data.subarray(0, 300)); // far from the object
    const inside = 3 * (120 * 640 + 134);
    expect(shown.data.subarray(inside, inside + 3)).not.toEqual(plain.data.subarray(inside, inside + 3));
  }
});

test("checks and counts labels", async () => {
  const labels = {
    images: [{ id: 1, file_name: "a.png", width: 20, height: 10 }],
    categories: [{ id: 3, name: "cat" }],
    annotations: [{ id: 1, image_id: 9, category_id: 3, bbox: [0, 0, 2, 2], segmentation: [], area: 4, iscrowd: 0 }],
  };
  writeFileSync(join(folder, "instances.json"), JSON.stringify(labels));
  const { of } = await ask(
    [
      call("masklet_labels_check", { path: "instances.json" }),
      call("masklet_dataset_stats", { path: "instances.json" }),
    ],
    "--root",
    folder,
  );
  const checked = JSON.parse(of(1).result?.content[0]?.text ?? "");
  expect(checked).toMatchObject({ format: "coco", images: 1, objects: 0 });
  expect(checked.errors).toBeGreaterThan(0);
  expect(checked.findings[0]).toMatchObject({ severity: "error", file: "instances.json" });
  expect(JSON.parse(of(2).result?.content[0]?.text ?? "")).toMatchObject({ format: "coco", images: 1, objects: 0 });
});

test("what fails is told to the model, and nothing outside the root is read", async () => {
  mkdirSync(join(folder, "data"));
  symlinkSync(scene, join(folder, "data", "link.png"));
  writeFileSync(join(folder, "data", "no.png"), "no picture");
  const wrong: readonly (readonly [object, string])[] = [
    [{ image: "gone.png", points: [[1, 1]] }, "file-missing"],
    [{ image: scene, points: [[1, 1]] }, "file-missing"],
    [{ image: "../instances.json", points: [[1, 1]] }, "file-missing"],
    [{ image: "link.png", points: [[1, 1]] }, "file-missing"],
    [{ image: "no.png", points: [[1, 1]] }, "image-format"],
    [{ image: "no.png", points: [1, 1] }, "points takes a list of [x, y]"],
    [{ image: "no.png", box: [1, 1, 2] }, "box takes [x0, y0, x1, y1]"],
    [{ image: "no.png", labels: [2] }, "labels takes a list of 0 and 1"],
    [{ image: "no.png", point: [1, 1] }, "there is no such argument"],
    [{ points: [[1, 1]] }, "image takes a path"],
  ];
  const { of } = await ask(
    wrong.map(([args]) => call("masklet_segment", args)),
    "--root",
    join(folder, "data"),
  );
  for (const [i, [, words]] of wrong.entries()) {
    const { result } = of(i + 1);
    expect(result?.isError).toBe(true);
    expect(result?.content[0]?.text).toContain(words);
  }
});

test("lines that are no requests are answered as JSON-RPC says", async () => {
  const { answers, of } = await ask([
    "{",
    "[]",
    JSON.stringify({ jsonrpc: "2.0", id: "a", method: "no/such" }),
    JSON.stringify({ jsonrpc: "2.0", id: "b", method: "tools/call", params: { name: "rm" } }),
    JSON.stringify({ jsonrpc: "1.0", id: "c", method: "ping" }),
    JSON.stringify({ jsonrpc: "2.0", id: "d", result: {} }),
    JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "e" } }),
    "",
  ]);
  expect(answers.filter(({ id }) => id === null).map(({ error }) => error?.code)).toEqual([-32700, -32600]);
  expect(["a", "b", "c"].map((id) => of(id).error?.code)).toEqual([-32601, -32602, -32600]);
  expect(answers).toHaveLength(5);
});

test("interrupted, ends with 130", async () => {
  const stop = new AbortController();
  const running = cli(["mcp", "--model", "nano"], { signal: stop.signal });
  setTimeout(() => stop.abort(), 50);
  expect((await running).code).toBe(130);
});

test("a folder that is not there, and arguments, are wrong usage", async () => {
  expect(await cli(["mcp", "--root", join(folder, "nowhere")])).toMatchObject({ code: 2 });
  expect((await cli(["mcp", "photo.jpg"])).stderr).toContain("takes no arguments, got photo.jpg");
});
