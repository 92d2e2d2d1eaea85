import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type GraphName, presets, type Sam2Config } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { expect, test } from "vitest";
import type { GraphProfile } from "../src/profile.ts";
import { renderTable } from "../src/table.ts";
import { cli, temporaryFolder } from "./cli.ts";

interface Report {
  readonly model: Sam2Config;
  readonly file: { readonly tensors: number; readonly parameters: number; readonly bytes: number } | null;
  readonly graphs: readonly {
    readonly name: GraphName;
    readonly parameters: number;
    readonly flops: number;
    readonly weightBytes: number;
    readonly peakActivationBytes: number;
    readonly operations: Readonly<Record<string, number>>;
  }[];
}

const folder = temporaryFolder();

async function report(...args: readonly string[]): Promise<Report> {
  const { code, stdout, stderr } = await cli(["inspect", ...args, "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  return JSON.parse(stdout.toString()) as Report;
}

test("a model's file and its graphs", async () => {
  const { model, file, graphs } = await report("nano");
  const bytes = readFileSync(nanoModel.checkpoint);
  expect(model).toMatchObject({ name: "sam2.1-hiera-nano", version: "2.1", imageSize: 256 });
  // safetensors: an 8-byte length, a header, then the tensors alone; nano is stored as float16
  const header = Number(bytes.readBigUInt64LE(0));
  expect(file).toMatchObject({ bytes: bytes.length, parameters: (bytes.length - 8 - header) / 2 });
  expect(graphs.map(({ name }) => name)).toEqual(["imageEncoder", "maskDecoder", "memoryEncoder", "memoryAttention"]);
  for (const graph of graphs) {
    expect(graph.weightBytes).toBe(4 * graph.parameters);
    expect(graph.parameters).toBeLessThan(file?.parameters ?? 0);
    for (const count of [graph.flops, graph.peakActivationBytes, graph.operations["linear"]])
      expect(count).toBeGreaterThan(0);
  }
});

test("one of Meta's that is not here: all but the file", async () => {
  const [tiny, large] = [await report("sam2.1-hiera-tiny"), await report("facebook/sam2.1-hiera-large")];
  expect(tiny.file).toBeNull();
  expect(tiny.model).toEqual(presets["sam2.1-hiera-tiny"]);
  // the paper's table: 38.9 M and 224.4 M parameters in all
  const parameters = ({ graphs }: Report): number => graphs.reduce((sum, graph) => sum + graph.parameters, 0);
  expect(parameters(tiny) / 38.9e6).toBeCloseTo(1, 1);
  expect(parameters(large) / 224.4e6).toBeCloseTo(1, 1);
});

test("as tables", async () => {
  const { stdout, code } = await cli(["inspect", "nano"]);
  for (const part of [
    "sam2.1-hiera-nano",
    "imageEncoder",
    "memoryAttention",
    "FLOPs",
    "peak memory",
    "layerNormalization",
    "in all",
  ]) {
    expect(stdout.toString()).toContain(part);
  }
  expect(code).toBe(0);
});

test("where the time goes: each operation, the slowest nodes, and a picture", async () => {
  const svg = join(folder, "profile.svg");
  const args = ["inspect", "nano", "--profile", "--nodes", "3", "--svg", svg, "--threads", "1", "--json"];
  const { code, stdout, stderr } = await cli(args);
  expect([code, stderr]).toEqual([0, ""]);
  const { graphs, ...about } = JSON.parse(stdout.toString()) as { readonly graphs: readonly GraphProfile[] };
  const model = { name: "sam2.1-hiera-nano", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) };
  expect(about).toEqual({ model, dtype: "fp32", backend: "ort", device: "cpu" });
  expect(graphs.map(({ name, sizes }) => [name, sizes["prompts"]])).toEqual([
    ["imageEncoder", undefined],
    ["maskDecoder", 1],
    ["maskDecoder", 64],
    ["memoryEncoder", undefined],
    ["memoryAttention", undefined],
  ]);
  const drawn = readFileSync(svg, "utf8");
  for (const { name, milliseconds, runMilliseconds, operations, nodes } of graphs) {
    expect(drawn).toContain(`>${name}</text>`);
    expect(nodes).toHaveLength(3);
    expect(nodes.map((node) => node.milliseconds)).toEqual(
      nodes.map((node) => node.milliseconds).sort((a, b) => b - a),
    );
    expect(operations.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(milliseconds).toBeLessThan(runMilliseconds); // each node's fastest, and nothing between them
    const linear = operations.find(({ kind }) => kind === "linear");
    expect(linear?.gigaflops).toBeGreaterThan(0.1);
    expect(linear?.gigaflops).toBeLessThan(10_000);
    expect(operations.find(({ kind }) => kind === "Conv")).toBeUndefined(); // all are the model's
  }
  const [encoder, one, many] = graphs;
  expect(encoder?.nodes[0]?.name).toMatch(/^image_encoder\.trunk\./);
  expect(many?.milliseconds).toBeGreaterThan(4 * (one?.milliseconds ?? Number.NaN));
  // What depends on weights alone was computed before the first run: no sines of the prompt encoder's grid, only of points.
  const sines = ({ operations }: GraphProfile): number => operations.find(({ kind }) => kind === "sin")?.nodes ?? 0;
  expect(one && sines(one)).toBe(1);
});

test("the times as a table", async () => {
  const { code, stdout } = await cli(["inspect", "nano", "--profile", "--dtype", "q8"]);
  expect(code).toBe(0);
  for (const part of ["maskDecoder, 64 prompts, 2 points", "quantizedLinear", "GFLOP/s", "slowest nodes"]) {
    expect(stdout.toString()).toContain(part);
  }
});

test("a backend that keeps no times", async () => {
  const svg = join(folder, "none.svg");
  const { code, stdout, stderr } = await cli(["inspect", "nano", "--profile", "--backend", "reference", "--svg", svg]);
  expect([code, stdout.length]).toEqual([1, 0]);
  expect(stderr).toMatch(/^masklet inspect: .*the reference backend .*\[unsupported\]\n$/);
  expect(existsSync(svg)).toBe(false);
});

test("columns are as wide as their widest cell", () => {
  const right = (text: string) => ({ text, right: true }) as const;
  expect(
    renderTable([
      ["a", right("bb"), "c"],
      ["aaa", right("b"), ""],
    ]),
  ).toBe("a    bb  c\naaa   b\n");
});

test.each([
  ["not there", join(folder, "none.pt"), "not-found"],
  ["no checkpoint", write("text.pt", "hello, this is no model"), "unknown-format"],
  [
    "cut off",
    write("cut.safetensors", readFileSync(nanoModel.checkpoint).subarray(0, 100_000)),
    "truncated|safetensors-malformed",
  ],
])("%s", async (_, path, code) => {
  const result = await cli(["inspect", path]);
  expect([result.code, result.stdout.length]).toEqual([1, 0]);
  expect(result.stderr).toMatch(new RegExp(`^masklet inspect: .*\\[(${code})\\]\\n$`));
});

test("a checkpoint of another model than its config says", async () => {
  const path = join(folder, "other.safetensors");
  copyFileSync(fileURLToPath(nanoModel.checkpoint), path);
  const config = JSON.parse(readFileSync(nanoModel.config, "utf8")) as { readonly embed_dim: number };
  write("other.json", JSON.stringify({ ...config, embed_dim: config.embed_dim * 2 }));
  const { code, stderr } = await cli(["inspect", path]);
  expect([code, stderr]).toEqual([1, expect.stringContaining("[not-this-model]")]);
});

function write(name: string, bytes: Uint8Array | string): string {
  writeFileSync(join(folder, name), bytes);
  return join(folder, name);
}

test("--config takes a published model's name", async () => {
  const { code, stderr } = await cli(["inspect", "nano", "--config", "efficienttam-ti-512"]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/is not efficienttam-ti-512: \d+ tensors missing/)]);
});

test("a published model that is not here is shown all the same, by its name or its repository's", async () => {
  for (const name of ["edgetam", "facebook/EdgeTAM"]) {
    const { model, file, graphs } = await report(name);
    expect([model, file]).toEqual([presets.edgetam, null]);
    const encoder = graphs.find((graph) => graph.name === "imageEncoder");
    expect((encoder?.flops ?? 0) / 1e9).toBeGreaterThan(30);
    expect((encoder?.flops ?? 0) / 1e9).toBeLessThan(40);
  }
});
