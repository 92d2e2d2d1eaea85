import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { presets } from "@masklet/core/node";
import { commit, ModelServer } from "@masklet/core/test/model-server";
import { nanoModel } from "@masklet/model-nano";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cli, records, scene, temporaryFolder } from "./cli.ts";

const name = "sam2.1-hiera-tiny";
const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
const server = new ModelServer();
beforeAll(async () => {
  await server.start();
  server.files.set(`facebook/${name}/model.safetensors`, { bytes, lfs: true });
  server.files.set(`facebook/${name}/config.json`, { bytes: new TextEncoder().encode("{}"), lfs: false });
});
afterAll(() => server.stop());

let cache: string;
const run = (...args: readonly string[]) =>
  cli(["models", ...args], { env: { HF_HUB_CACHE: cache, HF_ENDPOINT: server.endpoint }, terminal: true });
beforeEach(() => {
  cache = temporaryFolder();
  server.seen.length = 0;
});

const checkpoint = (): string => join(cache, `models--facebook--${name}`, "snapshots", commit, "model.safetensors");

test("pull fetches a model once and prints where it is, and so does path", async () => {
  const first = await run("pull", name);
  expect({ ...first, stdout: first.stdout.toString() }).toMatchObject({ code: 0, stdout: `${checkpoint()}\n` });
  expect(first.stderr).toContain(`downloading ${name}: model.safetensors 100% of 0.1 MB`);
  expect(readFileSync(checkpoint())).toEqual(Buffer.from(bytes));
  expect((await run("pull", name)).stdout.toString()).toBe(`${checkpoint()}\n`);
  expect(server.downloads).toHaveLength(1);
  const { stdout } = await run("path", name, "--json");
  expect(JSON.parse(stdout.toString())).toMatchObject({ name, checkpoint: checkpoint() });
});

test("list shows all of Meta's and what is here", async () => {
  await run("pull", name);
  const { stdout } = await run("list");
  const lines = stdout.toString().split("\n");
  expect(lines.filter((line) => line.startsWith("sam2"))).toHaveLength(8);
  expect(lines.find((line) => line.startsWith(`${name} `))).toMatch(/0\.1 MB .*model\.safetensors$/);
  expect(lines.filter((line) => line.endsWith("not here"))).toHaveLength(Object.keys(presets).length - 1);
  expect(lines.find((line) => line.startsWith("edgetam "))).toMatch(/~ 56\.1 MB +Apache-2\.0 +not here$/);
  expect(lines.find((line) => line.startsWith("efficienttam-ti-1 "))).toMatch(/unknown +Apache-2\.0 +not here$/);
  const { models } = JSON.parse((await run("list", "--json")).stdout.toString());
  expect(models[0]).toEqual({
    ...{ name, license: "Apache-2.0", publishedBytes: null },
    ...{ checkpoint: checkpoint(), bytes: bytes.length },
  });
});

test("verify tells what is damaged", async () => {
  await run("pull", name);
  const before = await run("verify", name);
  expect([before.code, before.stdout.toString().match(/^intact +(sha256|git-sha1) /gm)?.length]).toEqual([0, 2]);
  writeFileSync(checkpoint(), bytes.with(70_000, 0));
  const after = await run("verify", name);
  expect(after.code).toBe(1);
  expect(after.stdout.toString()).toMatch(/^DAMAGED +sha256 .*model\.safetensors$/m);
});

test("remove frees what a model takes", async () => {
  await run("pull", name);
  expect((await run("remove", name)).stdout.toString()).toBe(`${name}: 0.1 MB freed\n`);
  expect(existsSync(checkpoint())).toBe(false);
  expect((await run("remove", name)).stdout.toString()).toBe(`${name} was not there\n`);
});

describe("what is not here", () => {
  test.each([
    ["path", name, "[not-downloaded]"],
    ["verify", name, "[not-downloaded]"],
    ["pull", "sam2.1-hiera-small", "[not-on-server]"],
    ["remove", "no/such/name", "[not-found]"],
  ])("%s %s", async (action, model, code) => {
    const { code: exit, stdout, stderr } = await run(action, model);
    expect(stderr.trimEnd().endsWith(code)).toBe(true);
    expect([exit, stdout.length]).toEqual([1, 0]);
  });
});

test("segment --model fetches the model that it needs, here nano's file under a name of Meta's", async () => {
  const nano = "sam2.1-hiera-large";
  for (const [file, url] of [
    ["model.safetensors", nanoModel.checkpoint],
    ["config.json", nanoModel.config],
  ] as const) {
    server.files.set(`facebook/${nano}/${file}`, { bytes: readFileSync(url), lfs: true });
  }
  const result = await cli(["segment", scene, "--box", "45,35,224,209", "--json", "--model", nano], {
    env: { HF_HUB_CACHE: cache, HF_ENDPOINT: server.endpoint },
  });
  expect(records(result)[0]?.annotations[0]?.area).toBeGreaterThan(20_000);
});
