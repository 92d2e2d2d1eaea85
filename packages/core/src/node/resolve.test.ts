import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkpointError } from "../../test/checkpoint-files.ts";
import { officialUrl } from "../model/published.ts";
import { cacheFolder, listCachedModels, resolveModel } from "./resolve.ts";

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-"));
});
afterEach(() => rm(root, { recursive: true }));

async function put(path: string, text = ""): Promise<string> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, text);
  return full;
}

test.each<[Record<string, string>, string]>([
  [{ HF_HUB_CACHE: "/a", HF_HOME: "/b" }, "/a"],
  [{ HUGGINGFACE_HUB_CACHE: "/a" }, "/a"],
  [{ HF_HOME: "/b", XDG_CACHE_HOME: "/c" }, join("/b", "hub")],
  [{ XDG_CACHE_HOME: "/c" }, join("/c", "huggingface", "hub")],
  [{ HF_HOME: "~/hf" }, join(homedir(), "hf", "hub")],
  [{ HF_HOME: "" }, join(homedir(), ".cache", "huggingface", "hub")],
])("the cache of %j is %s", (env, folder) => {
  expect(cacheFolder(env)).toBe(folder);
});

describe("names", () => {
  const model = "hub/models--facebook--sam2.1-hiera-tiny";
  const find = (name: string): ReturnType<typeof resolveModel> => resolveModel(name, { env: { HF_HOME: root } });

  test("what main refers to, with its config", async () => {
    await put(`${model}/refs/main`, "abc\n");
    await put(`${model}/snapshots/aaa/model.safetensors`);
    await put(`${model}/snapshots/abc/sam2.1_hiera_tiny.pt`);
    const checkpoint = await put(`${model}/snapshots/abc/model.safetensors`);
    const config = await put(`${model}/snapshots/abc/config.json`);
    expect(await find("sam2.1-hiera-tiny")).toEqual({ checkpoint, config });
    expect(await find("facebook/sam2.1-hiera-tiny")).toEqual({ checkpoint, config });
  });

  test("the official file alone, also where nothing refers to it", async () => {
    const checkpoint = await put(`${model}/snapshots/main/sam2.1_hiera_tiny.pt`);
    expect(await find("sam2.1-hiera-tiny")).toEqual({ checkpoint });
  });

  test.skipIf(process.platform === "win32")(
    "links into blobs, as the cache has them, unless they are broken",
    async () => {
      await put(`${model}/blobs/123`);
      const checkpoint = join(root, model, "snapshots", "abc", "model.safetensors");
      await mkdir(dirname(checkpoint), { recursive: true });
      await symlink("../../blobs/123", checkpoint);
      expect(await find("sam2.1-hiera-tiny")).toEqual({ checkpoint });
      await rm(join(root, model, "blobs", "123"));
      expect((await checkpointError(() => find("sam2.1-hiera-tiny"))).code).toBe("not-downloaded");
    },
  );

  test("what is missing says which file to put where, and that place is then found", async () => {
    const error = await checkpointError(() => find("facebook/sam2-hiera-base-plus"));
    const url = "https://dl.fbaipublicfiles.com/segment_anything_2/072824/sam2_hiera_base_plus.pt";
    const repository = join(root, "hub", "models--facebook--sam2-hiera-base-plus");
    const place = join(repository, "snapshots", "main", "sam2_hiera_base_plus.pt");
    expect(error.code).toBe("not-downloaded");
    expect(error.details).toMatchObject({ model: "sam2-hiera-base-plus", url, put: place });
    expect(error.message).toContain(url);
    expect(error.message).toContain(place);
    await put(place.slice(root.length + 1));
    expect(await find("sam2-hiera-base-plus")).toEqual({ checkpoint: place });
  });

  test("someone else's model in the cache", async () => {
    const checkpoint = await put("hub/models--me--mine/snapshots/1/model.safetensors");
    expect(await find("me/mine")).toEqual({ checkpoint });
    expect((await checkpointError(() => find("me/other"))).code).toBe("not-found");
  });

  test("addresses of both releases", () => {
    expect(officialUrl("sam2.1-hiera-large")).toBe(
      "https://dl.fbaipublicfiles.com/segment_anything_2/092824/sam2.1_hiera_large.pt",
    );
  });

  test("lists what is cached", async () => {
    expect(await listCachedModels({ HF_HOME: root })).toEqual([]);
    const old = await put("hub/models--facebook--sam2-hiera-tiny/snapshots/1/sam2_hiera_tiny.pt");
    const large = await put("hub/models--facebook--sam2.1-hiera-large/snapshots/1/model.safetensors");
    await put("hub/models--facebook--sam2.1-hiera-small/snapshots/1/README.md");
    expect(await listCachedModels({}, join(root, "hub"))).toEqual([
      { name: "sam2.1-hiera-large", checkpoint: large },
      { name: "sam2-hiera-tiny", checkpoint: old },
    ]);
  });
});

describe("paths", () => {
  const options = { env: {} };

  test("a file, with the config called like it before config.json", async () => {
    const checkpoint = await put("models/mine.pt");
    expect(await resolveModel(checkpoint, options)).toEqual({ checkpoint });
    const shared = await put("models/config.json");
    expect(await resolveModel(checkpoint, options)).toEqual({ checkpoint, config: shared });
    const config = await put("models/mine.json");
    expect(await resolveModel(checkpoint, options)).toEqual({ checkpoint, config });
  });

  test("a transformers folder", async () => {
    const checkpoint = await put("t/model.safetensors");
    const config = await put("t/config.json");
    await put("t/other.pt");
    expect(await resolveModel(join(root, "t"), options)).toEqual({ checkpoint, config });
  });

  test("a folder with one checkpoint, but not with two", async () => {
    const checkpoint = await put("one/a.pt");
    expect(await resolveModel(join(root, "one"), options)).toEqual({ checkpoint });
    await put("one/b.safetensors");
    const error = await checkpointError(() => resolveModel(join(root, "one"), options));
    expect([error.code, error.message]).toEqual(["not-found", expect.stringContaining("no single .pt file")]);
  });

  test("nothing there", async () => {
    const error = await checkpointError(() => resolveModel(join(root, "none.pt"), options));
    expect(error.code).toBe("not-found");
    expect(error.message).toContain("sam2.1-hiera-tiny");
  });

  test.each([
    ["sam2.1-tiny", "sam2.1-hiera-tiny"],
    ["sam2_b.pt", "sam2-hiera-base-plus"],
    ["sam2.1_l.pt", "sam2.1-hiera-large"],
    ["Tiny", "sam2.1-hiera-tiny"],
    ["sam2.1-hiera-tny", "sam2.1-hiera-tiny"],
    ["t.pt", undefined],
    ["models/tiny.pt", undefined],
  ])("%s may be meant to be %s", async (name, meant) => {
    const { message } = await checkpointError(() => resolveModel(name, options));
    expect(/did you mean ([\w.-]+)\?/.exec(message)?.[1]).toBe(meant);
  });
});
