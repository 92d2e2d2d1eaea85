import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import type { PresetName } from "../model/config.ts";
import { published } from "../model/published.ts";
import { autoModel } from "./auto-model.ts";
import type { Environment } from "./resolve.ts";
import { changeUserSettings, readUserSettings, settingsFile } from "./settings.ts";

let root: string;
let env: Environment;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-auto-"));
  env = { XDG_CONFIG_HOME: join(root, "config"), HF_HUB_CACHE: join(root, "hub") };
  return () => rm(root, { recursive: true });
});

async function cache(...names: readonly PresetName[]): Promise<void> {
  for (const name of names) {
    const { repository, file, safetensors } = published[name];
    const folder = join(root, "hub", `models--${repository.replace("/", "--")}`, "snapshots", "main");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, safetensors ? "model.safetensors" : file), "x");
  }
}

describe("the model that nobody named", () => {
  test.each<[PresetName[], PresetName | undefined]>([
    [[], undefined],
    [["sam2.1-hiera-tiny"], "sam2.1-hiera-tiny"],
    [["sam2.1-hiera-small", "sam2.1-hiera-base-plus", "sam2.1-hiera-tiny"], "sam2.1-hiera-base-plus"],
    [["sam2-hiera-large", "sam2.1-hiera-tiny"], "sam2.1-hiera-tiny"],
    [["sam2-hiera-tiny", "sam2-hiera-large", "sam2-hiera-small"], "sam2-hiera-large"],
    [["edgetam", "sam2-hiera-tiny"], "sam2-hiera-tiny"],
    [["edgetam", "efficienttam-ti-512"], "efficienttam-ti-512"],
    [["edgetam"], "edgetam"],
  ])("is of %j the best", async (cached, best) => {
    await cache(...cached);
    expect((await autoModel({ env }))?.name).toBe(best);
  });

  test("is the one that was chosen, be it better or not", async () => {
    await cache("sam2.1-hiera-large", "sam2.1-hiera-tiny");
    await changeUserSettings(env, { model: "sam2.1-hiera-tiny" });
    const found = await autoModel({ env });
    expect(found).toMatchObject({ name: "sam2.1-hiera-tiny", by: "choice" });
    expect(found?.checkpoint).toContain("sam2.1-hiera-tiny");
    await changeUserSettings(env, { model: "nano" });
    expect(await autoModel({ env })).toBeUndefined();
    await changeUserSettings(env, { model: undefined });
    expect(await autoModel({ env })).toMatchObject({ name: "sam2.1-hiera-large", by: "cache" });
  });

  test("is no other one when the chosen one is gone", async () => {
    await cache("sam2.1-hiera-large");
    await changeUserSettings(env, { model: "sam2.1-hiera-tiny" });
    const problem = { code: "not-downloaded", message: expect.stringMatching(/^the model that "masklet models use"/) };
    await expect(autoModel({ env })).rejects.toMatchObject(problem);
  });
});

describe("settings", () => {
  const path = (): string => settingsFile(env) as string;

  test("keep what is not changed, in a folder that is made", async () => {
    expect(await readUserSettings(env)).toEqual({});
    await changeUserSettings(env, { model: "nano" });
    await changeUserSettings(env, { offerDeclined: true });
    expect(JSON.parse(await readFile(path(), "utf8"))).toEqual({ model: "nano", offerDeclined: true });
    expect(path()).toBe(join(root, "config", "masklet", "settings.json"));
  });

  test.each(["{", "3", "null", '{ "model": 7 }', '{ "model": "" }'])("%s makes no sense", async (text) => {
    await mkdir(join(root, "config", "masklet"), { recursive: true });
    await writeFile(path(), text);
    await expect(readUserSettings(env)).rejects.toMatchObject({ code: "settings-invalid", details: { file: path() } });
  });

  test("may begin with a byte order mark", async () => {
    await mkdir(join(root, "config", "masklet"), { recursive: true });
    await writeFile(path(), '\uFEFF{ "model": "nano" }');
    expect(await readUserSettings(env)).toEqual({ model: "nano" });
  });

  test("that cannot be kept are an error", async () => {
    await writeFile(join(root, "config"), "a file");
    await expect(changeUserSettings(env, { model: "nano" })).rejects.toMatchObject({ code: "write-failed" });
  });
});
