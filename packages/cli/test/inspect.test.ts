import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type GraphName, presets, type Sam2Config } from "@masklet/core/node";
import { nanoModel } from "@masklet/model-nano";
import { expect, test } from "vitest";
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
