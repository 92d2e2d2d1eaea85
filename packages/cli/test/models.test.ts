import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
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
const environment = () => ({
  HF_HUB_CACHE: cache,
  HF_ENDPOINT: server.endpoint,
  XDG_CONFIG_HOME: join(cache, "settings"),
});
const run = (...args: readonly string[]) => cli(["models", ...args], { env: environment(), terminal: true });
const settings = () => JSON.parse(readFileSync(join(cache, "settings", "masklet", "settings.json"), "utf8"));
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

test("list shows all published models and what is here", async () => {
  await run("pull", name);
  const { stdout } = await run("list");
  const lines = stdout.toString().split("\n");
  expect(lines.filter((line) => line.startsWith("sam2"))).toHaveLength(8);
  expect(lines.find((line) => line.startsWith(`${name} `))).toMatch(/0\.1 MB .*model\.safetensors$/);
  expect(lines.filter((line) => line.endsWith("not here"))).toHaveLength(Object.keys(presets).length - 1);
  expect(lines.find((line) => line.startsWith("edgetam "))).toMatch(/about 5[56]\.\d MB +Apache-2\.0 +not here$/);
  expect(lines.find((line) => line.startsWith("efficienttam-ti-1 "))).toMatch(
    /about 71\.\d MB +Apache-2\.0 +not here$/,
  );
  const { models } = JSON.parse((await run("list", "--json")).stdout.toString());
  expect(models[0]).toMatchObject({ name, license: "Apache-2.0", checkpoint: checkpoint(), bytes: bytes.length });
  for (const { downloadBytes } of models) expect(downloadBytes).toBeGreaterThan(55e6);
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

describe("the model where none is named", () => {
  test("is the first that is pulled, which is said, and what use says", async () => {
    const { stderr } = await run("pull", name);
    expect(stderr).toMatch(/masklet: where no model is named it is sam2\.1-hiera-tiny now \(masklet models use\)\n$/);
    expect(settings()).toEqual({ model: name });
    const used = await run("use", "nano");
    expect(used.stdout.toString()).toBe("Where no model is named it is nano.\n");
    expect((await run("pull", name)).stderr).not.toContain("where no model is named"); // the choice stays
    expect(settings()).toEqual({ model: "nano" });
    expect((await run("list")).stdout.toString()).toContain("Where no model is named it is nano.\n");
    await run("use", "facebook/sam2.1-hiera-tiny");
    expect(JSON.parse((await run("list", "--json")).stdout.toString())).toMatchObject({ auto: name });
    await run("use", "auto");
    expect(settings()).toEqual({});
  });

  test("may be a file, wherever it is used from", async () => {
    const path = relative(process.cwd(), fileURLToPath(nanoModel.checkpoint));
    expect((await run("use", path)).code).toBe(0);
    expect(settings()).toEqual({ model: fileURLToPath(nanoModel.checkpoint) });
  });

  test("must be here, and is none any more once it is removed", async () => {
    const { code, stderr } = await run("use", name);
    expect([code, stderr]).toEqual([1, expect.stringMatching(/masklet models pull[\s\S]*\[not-downloaded\]\n$/)]);
    await run("pull", name);
    await run("remove", name);
    expect(settings()).toEqual({});
  });
});

/** nano's files under one of Meta's names. */
function serveNano(as: string): void {
  for (const [file, url] of [
    ["model.safetensors", nanoModel.checkpoint],
    ["config.json", nanoModel.config],
  ] as const) {
    server.files.set(`facebook/${as}/${file}`, { bytes: readFileSync(url), lfs: true });
  }
}

describe("the offer to fetch a model", () => {
  const ask = (typed: string | undefined, ...more: readonly string[]) =>
    cli(["segment", scene, "--box", "45,35,224,209", "--json", ...more], {
      env: environment(),
      terminal: true,
      ...(typed !== undefined && { typed }),
    });
  const question = "Which? [1] ";

  test("names choices, size, licence and place; what is fetched is used and remembered", async () => {
    serveNano("sam2.1-hiera-small");
    const first = await ask("9\n2\n");
    expect(first.stderr).toMatch(
      / {2}1 {2}sam2\.1-hiera-tiny +155\.\d MB\n {2}2 {2}sam2\.1-hiera-small +18\d\.\d MB\n/,
    );
    for (const part of ["Apache 2.0", "https://huggingface.co/facebook", cache, question, "Which? 1 to 4, or n"]) {
      expect(first.stderr).toContain(part);
    }
    expect(first.code).toBe(0);
    expect(settings()).toEqual({ model: "sam2.1-hiera-small" });
    expect(records(first)[0]?.annotations[0]?.area).toBeGreaterThan(20_000);
    const second = await ask("");
    expect(second.stderr).not.toContain(question);
    expect(second.stderr).toContain("the model is sam2.1-hiera-small");
  });

  test.each(["y\n", "Yes\n", "\n"])("typing %j takes the first", async (typed) => {
    serveNano("sam2.1-hiera-tiny");
    const { code } = await ask(typed);
    expect([code, settings()]).toEqual([0, { model: "sam2.1-hiera-tiny" }]);
  });

  test.each(["n\n", "", "none\n"])("typing %j goes on with nano, and it is not asked again", async (typed) => {
    const first = await ask(typed);
    expect([first.code, records(first)[0]?.model.name]).toEqual([0, "sam2.1-hiera-nano"]);
    expect(first.stderr).toContain(question);
    expect(settings()).toMatchObject({ offerDeclined: true });
    expect((await ask("2\n")).stderr).not.toContain(question);
    expect(server.seen).toEqual([]);
  });

  test.each([["--offline"], ["--quiet"], ["--model", "nano"]])("is not made with %s", async (...more) => {
    const { code, stderr } = await ask("2\n", ...more);
    expect([code, stderr.includes(question), server.seen.length]).toEqual([0, false, 0]);
  });

  test("is not made without a terminal", async () => {
    expect((await ask(undefined)).stderr).not.toContain(question);
  });

  test("that fails is no answer", async () => {
    const { code, stderr } = await ask("4\n");
    expect([code, stderr]).toEqual([1, expect.stringContaining("[not-on-server]")]);
    expect(existsSync(join(cache, "settings"))).toBe(false);
  });
});

test("segment --model fetches the model that it needs, here nano's file under a name of Meta's", async () => {
  const nano = "sam2.1-hiera-large";
  serveNano(nano);
  const result = await cli(["segment", scene, "--box", "45,35,224,209", "--json", "--model", nano], {
    env: environment(),
  });
  server.files.delete(`facebook/${nano}/model.safetensors`);
  expect(records(result)[0]?.annotations[0]?.area).toBeGreaterThan(20_000);
  const offline = await cli(["segment", scene, "--point", "1,1", "--model", "sam2-hiera-tiny", "--offline"], {
    env: environment(),
  });
  expect([offline.code, offline.stderr]).toEqual([1, expect.stringContaining("[offline]")]);
});
