import { spawn } from "node:child_process";
import { chmod, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commit, gitSha1, ModelServer, type Seen, sha256 } from "../../../test/model-server.ts";
import { CheckpointError, DownloadError, type MaskletError } from "../../errors.ts";
import { officialUrl, published } from "../../model/published.ts";
import type { DownloadStage, Progress } from "../../progress.ts";
import { listCachedModels, resolveModel } from "../resolve.ts";
import { type DownloadOptions, downloadFile, downloadModel } from "./download.ts";
import { removeModel, verifyModel } from "./manage.ts";

type DownloadProgress = Progress<DownloadStage>;

const model = "sam2.1-hiera-tiny";
const random = (seed: number, length: number): Uint8Array => {
  let state = seed;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
};
const weights = random(1, 200_000);
const config = new TextEncoder().encode(`{"model_type": "sam2_video"}`);

const pt = random(2, 50_000);

let root = "";
let hub: ModelServer;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-download-"));
  hub = new ModelServer();
  hub.files.set(`facebook/${model}/config.json`, { bytes: config, lfs: false });
  hub.files.set(`facebook/${model}/model.safetensors`, { bytes: weights, lfs: true });
  await hub.start();
});
afterEach(async () => {
  await hub.stop();
  await rm(root, { recursive: true, force: true });
});

const env = (more: Record<string, string> = {}): Record<string, string> => ({
  HF_HOME: root,
  HF_ENDPOINT: hub.endpoint,
  ...more,
});
const download = (options: Partial<DownloadOptions> = {}, name = model): ReturnType<typeof downloadModel> =>
  downloadModel(name, { env: env(), retryDelayMs: 1, ...options });
const failure = async (promise: Promise<unknown>): Promise<MaskletError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DownloadError) && !(error instanceof CheckpointError)) {
    throw new Error(`a typed error was expected, got ${error}`, { cause: error });
  }
  return error;
};
const folder = (): string => join(root, "hub", `models--facebook--${model}`);
const part = (): string => join(folder(), "blobs", `${sha256(weights)}.masklet.incomplete`);
const sizeOfPart = async (): Promise<number> => (await lstat(part())).size;
/** A fault for bodies from the CDN alone. */
const onBody =
  (fault: (nth: number, seen: Seen) => ReturnType<ModelServer["fault"]>): ModelServer["fault"] =>
  (seen) =>
    seen.server === "cdn" && seen.method === "GET" ? fault(hub.downloads.length, seen) : undefined;

describe("the cache is as huggingface_hub lays it out", () => {
  test("blobs, snapshots and refs, and nothing is asked twice", async () => {
    const files = await download();
    const snapshot = join(folder(), "snapshots", commit);
    expect(files).toEqual({ checkpoint: join(snapshot, "model.safetensors"), config: join(snapshot, "config.json") });
    expect(await readFile(files.checkpoint)).toEqual(Buffer.from(weights));
    expect(await readFile(files.config ?? "")).toEqual(Buffer.from(config));
    expect((await readdir(join(folder(), "blobs"))).sort()).toEqual([sha256(weights), gitSha1(config)].sort());
    expect((await readdir(snapshot)).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(await readFile(join(folder(), "refs", "main"), "utf8")).toBe(commit);
    expect(await readdir(join(root, "hub", ".locks", `models--facebook--${model}`))).toEqual([]);
    expect(await listCachedModels({ HF_HOME: root })).toEqual([{ name: model, ...files }]);

    const asked = hub.seen.length;
    expect(await download()).toEqual(files);
    expect(await download({}, `facebook/${model}`)).toEqual(files);
    expect(hub.seen.length).toBe(asked);
  });

  test.skipIf(process.platform === "win32")("with relative links", async () => {
    const { checkpoint } = await download();
    expect(await readlink(checkpoint)).toBe(join("..", "..", "blobs", sha256(weights)));
  });

  test("what Python left is used: a blob without its link", async () => {
    await mkdir(join(folder(), "blobs"), { recursive: true });
    await writeFile(join(folder(), "blobs", sha256(weights)), weights);
    const { checkpoint } = await download();
    expect(await readFile(checkpoint)).toEqual(Buffer.from(weights));
    expect(hub.downloads).toEqual([]);
  });

  test("HF_HUB_CACHE and cacheDir say where", async () => {
    const { checkpoint } = await download({ env: env({ HF_HUB_CACHE: join(root, "a") }) });
    expect(checkpoint.startsWith(join(root, "a", "models--"))).toBe(true);
    const other = await download({ cacheDir: join(root, "b") });
    expect(other.checkpoint.startsWith(join(root, "b", "models--"))).toBe(true);
  });

  test("a blob of the wrong size is replaced, and a broken link too", async () => {
    const { checkpoint } = await download();
    await rm(join(folder(), "blobs", sha256(weights)));
    expect(await download()).toHaveProperty("checkpoint", checkpoint);
    await writeFile(join(folder(), "blobs", sha256(weights)), "short");
    await rm(checkpoint);
    await download();
    expect(await readFile(checkpoint)).toEqual(Buffer.from(weights));
    expect(hub.downloads.length).toBe(3);
  });
});

describe("sources", () => {
  test("a repository that has Meta's .pt alone", async () => {
    hub.files.clear();
    hub.files.set(`facebook/${model}/sam2.1_hiera_tiny.pt`, { bytes: pt, lfs: true });
    const files = await download();
    expect(files).toEqual({ checkpoint: join(folder(), "snapshots", commit, "sam2.1_hiera_tiny.pt") });
    expect(await readFile(files.checkpoint)).toEqual(Buffer.from(pt));
  });

  test("anybody's model", async () => {
    hub.files.set("me/mine-1.0/model.safetensors", { bytes: weights, lfs: true });
    const { checkpoint } = await download({}, "me/mine-1.0");
    expect(await resolveModel("me/mine-1.0", { env: env() })).toEqual({ checkpoint });
  });

  test("models that share a repository come and go one by one", async () => {
    const repository = "yunyangx/efficient-track-anything";
    const names = ["efficienttam_s.pt", "efficienttam_ti_512x512.pt"];
    for (const [i, name] of names.entries()) {
      hub.files.set(`${repository}/${name}`, { bytes: random(i + 3, 10_000 + i), lfs: true });
    }
    const presetNames = ["efficienttam-s", "efficienttam-ti-512"] as const;
    for (const [i, name] of presetNames.entries()) {
      const files = await download({}, name);
      expect(files.checkpoint.endsWith(names[i] as string)).toBe(true);
      expect(await resolveModel(name, { env: env() })).toEqual(files);
      expect(await verifyModel(name, { env: env() })).toMatchObject([{ intact: true }]);
    }
    expect((await failure(resolveModel("efficienttam-ti", { env: env() }))).code).toBe("not-downloaded");
    const several = await failure(download({}, repository));
    expect([several.code, several.message]).toEqual(["not-found", expect.stringMatching(/holds several models/)]);
    expect(await removeModel("efficienttam-s", { env: env() })).toBe(10_000);
    expect((await listCachedModels(env())).map(({ name }) => name)).toEqual(["efficienttam-ti-512"]);
  });

  describe("Meta's server", () => {
    // The hub's stand-in also is Meta's: it is asked for Meta's address and finds the file by its name.
    const fromMeta: typeof fetch = (url, init) => {
      expect(String(url)).toBe(officialUrl(model));
      return fetch(`${hub.endpoint}/meta/pt/resolve/main/file.pt`, init);
    };
    // The real hashes need the real files.
    const known = published[model] as { sha256: string };
    const real = known.sha256;
    beforeEach(() => void hub.files.set("meta/pt/file.pt", { bytes: pt, lfs: false }));
    afterEach(() => {
      known.sha256 = real;
    });

    test("to where not-downloaded says, checked against the known hash", async () => {
      known.sha256 = sha256(pt);
      const place = (await failure(resolveModel(model, { env: env() }))).details["put"];
      const files = await download({ from: "meta", fetch: fromMeta, env: env({ HF_TOKEN: "hf_secret" }) });
      expect(files).toEqual({ checkpoint: place });
      expect(await readFile(files.checkpoint)).toEqual(Buffer.from(pt));
      expect(await resolveModel(model, { env: env() })).toEqual(files);
      expect(hub.seen.map(({ authorization }) => authorization)).toEqual([undefined, undefined]);
      expect(await verifyModel(model, { env: env() })).toMatchObject([{ expected: sha256(pt), intact: true }]);
    });

    test("another file than Meta's is refused", async () => {
      known.sha256 = sha256(weights);
      const error = await failure(download({ from: "meta", fetch: fromMeta }));
      expect(error).toMatchObject({ code: "hash-mismatch", details: { actual: sha256(pt) } });
      expect(await listCachedModels(env())).toEqual([]);
    });

    test("has no models but its own", async () => {
      for (const name of ["me/mine", "efficienttam-s"]) {
        const error = await failure(download({ from: "meta" }, name));
        expect(error.code).toBe("not-found");
        expect(error.details["names"]).toContain(model);
        expect(error.details["names"]).not.toContain("efficienttam-s");
      }
    });
  });

  test.each(["", "nano", "../../etc", "a/..", "./x/y", "a/b/c", ".a/b"])("%j is no model's name", async (name) => {
    expect((await failure(download({}, name))).code).toBe("not-found");
    expect(hub.seen).toEqual([]);
  });
});

describe("a cut", () => {
  const points = Array.from(random(7, 50), (byte, i) => Math.floor(((byte + i / 50) / 256) * weights.length));

  test("at any of 50 random bytes resumes to the right hash, in a later call", async () => {
    expect(new Set(points).size).toBeGreaterThan(45);
    for (const [i, point] of points.entries()) {
      const cacheDir = join(root, `cut-${i}`);
      const nth = hub.downloads.length;
      hub.fault = onBody((n) => (n === nth + 1 ? { cutAfter: point } : undefined));
      const error = await failure(download({ cacheDir, retries: 0 }));
      expect(error.code).toBe("connection-failed");
      const partial = join(cacheDir, `models--facebook--${model}`, "blobs", `${sha256(weights)}.masklet.incomplete`);
      const { size } = await lstat(partial);
      expect(size).toBeLessThanOrEqual(point);
      const { checkpoint } = await download({ cacheDir, retries: 0 });
      expect(sha256(await readFile(checkpoint))).toBe(sha256(weights));
      expect(hub.downloads.at(-1)?.range).toBe(size === 0 ? undefined : `bytes=${size}-`);
      await expect(lstat(partial)).rejects.toThrow("ENOENT");
    }
    // Most cuts must have left something, or the test would be about starting again.
    expect(hub.downloads.filter(({ range }) => range !== undefined).length).toBeGreaterThan(40);
  });

  test("is survived within one call as long as there is progress", async () => {
    hub.fault = onBody(() => ({ cutAfter: 15_000 }));
    const { checkpoint } = await download({ retries: 1 });
    expect(sha256(await readFile(checkpoint))).toBe(sha256(weights));
    expect(hub.downloads.length).toBeGreaterThanOrEqual(14);
  });

  test("without progress is given up", async () => {
    hub.fault = onBody(() => ({ cutAfter: 0 }));
    expect((await failure(download({ retries: 3 }))).code).toBe("connection-failed");
    expect(hub.downloads.length).toBe(4);
  });

  test("with a server that ignores ranges starts again", async () => {
    hub.fault = onBody((n) => (n === 1 ? { cutAfter: 90_000 } : { ignoreRange: true }));
    const { checkpoint } = await download();
    expect(sha256(await readFile(checkpoint))).toBe(sha256(weights));
    expect(hub.downloads[1]?.range).toMatch(/^bytes=\d+-$/);
  });
});

describe("what arrives is checked", () => {
  test("a damaged byte is fetched again, once", async () => {
    hub.fault = onBody((n) => (n === 1 ? { damageAt: 123_456 } : undefined));
    const { checkpoint } = await download();
    expect(sha256(await readFile(checkpoint))).toBe(sha256(weights));
    expect(hub.downloads.length).toBe(2);
  });

  test("damage each time is an error, and nothing counts as downloaded", async () => {
    hub.fault = onBody(() => ({ damageAt: 5 }));
    const error = await failure(download());
    expect(error).toMatchObject({ code: "hash-mismatch", details: { algorithm: "sha256", expected: sha256(weights) } });
    expect(hub.downloads.length).toBe(2);
    expect(await readdir(join(folder(), "blobs"))).toEqual([gitSha1(config)]);
    expect((await failure(resolveModel(model, { env: env() }))).code).toBe("not-downloaded");
  });

  test("a damaged part of an earlier try does not spoil the file", async () => {
    await mkdir(dirname(part()), { recursive: true });
    await writeFile(part(), random(9, 100_000));
    const { checkpoint } = await download();
    expect(sha256(await readFile(checkpoint))).toBe(sha256(weights));
    expect(hub.downloads.map(({ range }) => range)).toEqual(["bytes=100000-", undefined]);
  });

  test("a part that is larger than the file is dropped; one as large is only checked", async () => {
    await mkdir(dirname(part()), { recursive: true });
    await writeFile(part(), random(9, 300_000));
    const { checkpoint } = await download();
    expect(hub.downloads.map(({ range }) => range)).toEqual([undefined]);
    await removeModel(model, { env: env() });
    await mkdir(dirname(part()), { recursive: true });
    await writeFile(part(), weights);
    expect(sha256(await readFile((await download()).checkpoint))).toBe(sha256(weights));
    expect(hub.downloads.length).toBe(1);
    expect(checkpoint).toContain(commit);
  });

  test("a small file by Git's hash", async () => {
    hub.fault = ({ path, method }) => (path.endsWith("config.json") && method === "GET" ? { damageAt: 3 } : undefined);
    expect(await failure(download())).toMatchObject({
      code: "hash-mismatch",
      details: { algorithm: "git-sha1", expected: gitSha1(config) },
    });
  });

  test("more bytes than promised are refused", async () => {
    hub.fault = onBody(() => ({ tooMuch: true }));
    expect((await failure(download())).code).toBe("response-malformed");
  });

  test.each([
    ["a commit that is none", { "x-repo-commit": "../../../evil" }],
    ["a hash that is none", { "x-linked-etag": '"../../evil"' }],
    ["a range that was not asked for", { "content-range": "bytes 0-9/10" }],
  ])("%s is refused", async (what, headers) => {
    if (what.includes("range")) {
      hub.fault = onBody((n) => (n === 1 ? { cutAfter: 90_000 } : { headers }));
    } else {
      hub.fault = ({ server }) => (server === "hub" ? { headers } : undefined);
    }
    expect((await failure(download())).code).toBe("response-malformed");
    expect(await readdir(root)).toEqual(what.includes("range") ? ["hub"] : []);
  });

  test("a login page instead of the hub is refused", async () => {
    hub.fault = ({ server }) =>
      server === "hub" ? { status: 200, headers: { "content-type": "text/html" } } : undefined;
    expect((await failure(download())).code).toBe("response-malformed");
  });

  test("redirects in a circle end", async () => {
    hub.fault = () => ({ status: 302, headers: { location: "/" } });
    expect((await failure(download())).code).toBe("response-malformed");
    expect(hub.seen.length).toBeLessThan(20);
  });
});

describe("an answer that is no success", () => {
  test.each([
    [400, "http-error", 1],
    [401, "unauthorized", 1],
    [403, "forbidden", 1],
    [416, "range-refused", 1],
    [429, "rate-limited", 3],
    [500, "server-error", 3],
    [503, "server-error", 3],
  ])("%i is %s", async (status, code, times) => {
    hub.fault = () => ({ status });
    const error = await failure(download({ retries: 2 }));
    expect(error).toBeInstanceOf(DownloadError);
    const url = `${hub.endpoint}/facebook/${model}/resolve/main/config.json`;
    expect(error).toMatchObject({ code, details: { status, url } });
    expect(hub.seen.length).toBe(times);
  });

  test("404 says which: no repository, or no such file in it", async () => {
    const error = await failure(download({}, "me/none"));
    expect(error).toMatchObject({ code: "not-on-server", details: { reason: "RepoNotFound" } });
    hub.files.set("me/empty/README.md", { bytes: config, lfs: false });
    const entry = await failure(download({}, "me/empty"));
    expect(entry).toMatchObject({ code: "not-on-server", details: { reason: "EntryNotFound" } });
    expect(entry.message).toContain("model.safetensors");
  });

  test("500 once or twice passes, and so does it from the CDN", async () => {
    let left = 4;
    hub.fault = () => (left-- > 0 && left % 2 === 0 ? { status: 500 } : undefined);
    await download();
    hub.fault = onBody((n) => (n < 4 ? { status: 502 } : undefined));
    await download({ cacheDir: join(root, "again") });
    expect(hub.downloads.length).toBe(4);
  });

  test("Retry-After is waited for", async () => {
    let asked = 0;
    hub.fault = () => (asked++ === 0 ? { status: 429, headers: { "retry-after": "1" } } : undefined);
    const start = performance.now();
    await download();
    expect(performance.now() - start).toBeGreaterThan(990);
  });

  test("but not for long, nor as a date", async () => {
    hub.fault = () => ({ status: 429, headers: { "retry-after": "3600" } });
    expect(await failure(download())).toMatchObject({ code: "rate-limited", details: { retryAfter: 3600 } });
    const date = new Date(Date.now() + 7_200_000).toUTCString();
    hub.fault = () => ({ status: 503, headers: { "retry-after": date } });
    const { details } = await failure(download());
    expect(details["retryAfter"]).toBeGreaterThan(7_100);
    expect(hub.seen.length).toBe(2);
  });

  test("416 for the rest of a part starts again", async () => {
    await mkdir(dirname(part()), { recursive: true });
    await writeFile(part(), weights.subarray(0, 1000));
    hub.fault = onBody((n) => (n === 1 ? { status: 416 } : undefined));
    expect(sha256(await readFile((await download()).checkpoint))).toBe(sha256(weights));
    expect(hub.downloads.map(({ range }) => range)).toEqual(["bytes=1000-", undefined]);
  });

  test("a signed address is not repeated in errors", async () => {
    hub.fault = onBody(() => ({ status: 403 }));
    const error = await failure(download());
    expect(error.code).toBe("forbidden");
    expect(error.message + JSON.stringify(error.details)).not.toContain("secret");
  });

  test("nobody there", async () => {
    const { endpoint } = hub;
    await hub.stop();
    await hub.start(); // at another port
    const error = await failure(download({ env: { HF_HOME: root, HF_ENDPOINT: endpoint }, retries: 1 }));
    expect(error.code).toBe("connection-failed");
    expect(error.message).toContain("ECONNREFUSED");
  });

  test("what fails says how large the model is, and where else it can be had", async () => {
    const { endpoint } = hub;
    await hub.stop();
    await hub.start(); // at another port
    const env = { HF_HOME: root, HF_ENDPOINT: endpoint };
    const error = await failure(downloadModel("sam2.1-hiera-tiny", { env, retries: 0 }));
    expect([error.code, error.details["model"]]).toEqual(["connection-failed", "sam2.1-hiera-tiny"]);
    expect(error.message).toMatch(
      /^sam2\.1-hiera-tiny \(about 156 MB\) could not be fetched: .*ECONNREFUSED.*; a mirror of Hugging Face is named with HF_ENDPOINT; .*masklet models pull sam2\.1-hiera-tiny --from meta$/,
    );
    const offline = await failure(downloadModel("sam2.1-hiera-tiny", { env: { ...env, HF_HUB_OFFLINE: "1" } }));
    expect(offline.message).toMatch(
      /^sam2\.1-hiera-tiny \(about 156 MB\) could not be fetched: .*nothing is downloaded$/,
    );
    const own = await failure(downloadModel("me/mine", { env, retries: 0 }));
    expect(own.message).toMatch(/^me\/mine could not be fetched: .*HF_ENDPOINT$/);
  });
});

describe("silence", () => {
  const quick = (): Partial<DownloadOptions> => ({ env: env({ HF_HUB_DOWNLOAD_TIMEOUT: "0.15" }), retries: 0 });

  test("in the middle of the file ends in a typed error, and the part is kept", async () => {
    hub.fault = onBody(() => ({ stallAfter: 80_000 }));
    const error = await failure(download(quick()));
    expect(error).toMatchObject({ code: "stalled", details: { timeoutMs: 150 } });
    expect(await sizeOfPart()).toBe(80_000);
    hub.fault = () => undefined;
    await download(quick());
    expect(hub.downloads[1]?.range).toBe("bytes=80000-");
  });

  test("is tried again", async () => {
    hub.fault = onBody((n) => (n < 3 ? { stallAfter: 20_000 } : undefined));
    await download({ ...quick(), retries: 1 });
    expect(hub.downloads.map(({ range }) => range)).toEqual([undefined, "bytes=20000-", "bytes=40000-"]);
  });
});

describe("aborting", () => {
  test("rejects with the reason, leaves a part and no lock, and the next call goes on there", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    hub.fault = onBody(() => ({ stallAfter: 60_000 }));
    const onProgress = ({ stage, loaded }: DownloadProgress): void => {
      if (stage === "download" && loaded === 60_000) controller.abort(reason);
    };
    await expect(download({ signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(await sizeOfPart()).toBe(60_000);
    expect(await readdir(join(root, "hub", ".locks", `models--facebook--${model}`))).toEqual([]);
    hub.fault = () => undefined;
    await download();
    expect(hub.downloads[1]?.range).toBe("bytes=60000-");
  });

  test("before, and in a pause", async () => {
    await expect(download({ signal: AbortSignal.abort("early") })).rejects.toBe("early");
    expect(hub.seen).toEqual([]);
    const controller = new AbortController();
    hub.fault = () => {
      setTimeout(() => controller.abort("in the pause"), 20);
      return { status: 500 };
    };
    await expect(download({ signal: controller.signal, retryDelayMs: 60_000 })).rejects.toBe("in the pause");
  });

  test("while another process has the lock", async () => {
    const lock = join(root, "hub", ".locks", `models--facebook--${model}`, `${gitSha1(config)}.masklet.lock`);
    await mkdir(dirname(lock), { recursive: true });
    await writeFile(lock, JSON.stringify({ pid: process.pid, host: hostname(), id: "x" }));
    const controller = new AbortController();
    const onProgress = ({ stage }: DownloadProgress): void => {
      if (stage === "wait") controller.abort("not longer");
    };
    await expect(download({ signal: controller.signal, onProgress })).rejects.toBe("not longer");
    expect(await readdir(dirname(lock))).toHaveLength(1);
    expect((await failure(removeModel(model, { env: env() }))).code).toBe("in-use");
  });
});

test("progress grows from the part's size to the whole, then the hash", async () => {
  await mkdir(dirname(part()), { recursive: true });
  await writeFile(part(), weights.subarray(0, 50_000));
  const seen: DownloadProgress[] = [];
  await download({ onProgress: (progress) => seen.push(progress) });
  const ours = seen.filter(({ item }) => item === "model.safetensors");
  const loaded = ours.filter(({ stage }) => stage === "download").map((progress) => progress.loaded);
  expect([loaded[0], loaded.at(-1), ours[0]?.total]).toEqual([50_000, weights.length, weights.length]);
  expect(loaded).toEqual(loaded.toSorted((a, b) => a - b));
  expect(ours.at(-1)).toEqual({
    stage: "verify",
    item: "model.safetensors",
    loaded: weights.length,
    total: weights.length,
    fraction: 1,
  });
});

test("what onProgress throws comes out as it is", async () => {
  const mistake = new Error("mine");
  const onProgress = ({ stage, item }: DownloadProgress): void => {
    if (stage === "download" && item === "model.safetensors") throw mistake;
  };
  await expect(download({ onProgress })).rejects.toBe(mistake);
  await download();
});

describe("the token", () => {
  const cases: [string, () => Promise<Record<string, string>>][] = [
    ["HF_TOKEN", async () => ({ HF_TOKEN: " hf_secret\n" })],
    ["the file of HF_TOKEN_PATH", async () => ({ HF_TOKEN_PATH: await tokenFile("elsewhere") })],
    ["HF_HOME/token", () => tokenFile("token").then(() => ({}))],
  ];
  async function tokenFile(name: string): Promise<string> {
    await writeFile(join(root, name), "hf_secret\n");
    return join(root, name);
  }

  test.each(cases)("of %s goes to the hub, and to no host that it redirects to", async (_, prepare) => {
    await download({ env: env(await prepare()) });
    expect(new Set(hub.seen.filter(({ server }) => server === "hub").map((seen) => seen.authorization))).toEqual(
      new Set(["Bearer hf_secret"]),
    );
    expect(hub.downloads.map((seen) => seen.authorization)).toEqual([undefined]);
    // Nowhere else either: not in the address, not in a file.
    expect(JSON.stringify(hub.seen.map(({ path }) => path))).not.toContain("hf_secret");
  });

  test("does not go to the same host at another port", async () => {
    const other = new ModelServer();
    await other.start();
    hub.fault = () => ({ status: 307, headers: { location: `${other.endpoint}/facebook/${model}/resolve/main/x` } });
    await failure(download({ env: env({ HF_TOKEN: "hf_secret" }) }));
    await other.stop();
    expect(other.seen.length).toBeGreaterThan(0);
    expect(new Set(other.seen.map(({ authorization }) => authorization))).toEqual(new Set([undefined]));
  });

  test("is kept back where that is asked for", async () => {
    await download({ env: env({ HF_TOKEN: "hf_secret", HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" }) });
    expect(hub.seen.every(({ authorization }) => authorization === undefined)).toBe(true);
  });

  test("that no header can carry is refused, and not repeated", async () => {
    const error = await failure(download({ env: env({ HF_TOKEN: "hf_sécret" }) }));
    expect(error.code).toBe("token-invalid");
    expect(error.message).not.toContain("hf_s");
  });
});

test("one file of a dataset, in a folder of its own there", async () => {
  const [repository, name] = ["datasets/someone/pictures", "some/folder/dog.png"];
  hub.files.set(`${repository}/${name}`, { bytes: pt, lfs: true });
  const path = await downloadFile(repository, name, { env: env(), retryDelayMs: 1 });
  expect(path).toBe(join(root, "hub", "datasets--someone--pictures", "snapshots", commit, name));
  expect(await readFile(path)).toEqual(Buffer.from(pt));
  expect(await downloadFile(repository, name, { env: env({ HF_HUB_OFFLINE: "1" }) })).toBe(path);
  expect(hub.downloads).toHaveLength(1);
  const missing = downloadFile(repository, "cat.png", { env: env(), retryDelayMs: 1 });
  expect(await failure(missing)).toMatchObject({ code: "not-on-server" });
});

describe("the environment", () => {
  test.each(["1", "true", "ON", "yes"])("HF_HUB_OFFLINE=%s asks nobody", async (value) => {
    const error = await failure(download({ env: env({ HF_HUB_OFFLINE: value }) }));
    expect(error).toMatchObject({ code: "offline", details: { repository: `facebook/${model}` } });
    expect(hub.seen).toEqual([]);
  });

  test("offline, what is there is found", async () => {
    const files = await download();
    expect(await download({ env: env({ HF_HUB_OFFLINE: "1" }) })).toEqual(files);
  });

  test("HF_HUB_OFFLINE=0 is no such wish, and a slash after HF_ENDPOINT no matter", async () => {
    await download({ env: env({ HF_HUB_OFFLINE: "0", HF_ENDPOINT: `${hub.endpoint}/` }) });
    expect(hub.seen.every(({ path }) => !path.startsWith("//"))).toBe(true);
  });

  test.each(["huggingface.co", "ftp://x", "https://user:password@hub.example"])("HF_ENDPOINT=%s", async (endpoint) => {
    const error = await failure(download({ env: env({ HF_ENDPOINT: endpoint }) }));
    expect(error.code).toBe("endpoint-invalid");
    expect(error.message).not.toContain("password@");
  });
});

describe("the disk", () => {
  test("too small is said before anything is written", async () => {
    hub.fault = ({ server, path }) =>
      server === "hub" && path.endsWith("model.safetensors")
        ? { headers: { "x-linked-size": "900000000000000" } }
        : undefined;
    const error = await failure(download());
    expect(error).toMatchObject({ code: "disk-full", details: { needed: 900_000_000_000_000 } });
    expect(hub.downloads).toEqual([]);
  });

  test.skipIf(process.platform !== "linux")("full while writing", async () => {
    await mkdir(dirname(part()), { recursive: true });
    await symlink("/dev/full", part());
    const error = await failure(download());
    expect(error).toMatchObject({ code: "disk-full", cause: expect.objectContaining({ code: "ENOSPC" }) });
  });

  test("a cache that cannot be written", async () => {
    await writeFile(join(root, "hub"), "a file where the folder should be");
    expect((await failure(download())).code).toBe("cache-unwritable");
  });

  test.skipIf(process.platform === "win32" || process.getuid?.() === 0)("a read-only cache", async () => {
    await mkdir(join(root, "hub"));
    await chmod(join(root, "hub"), 0o500);
    expect((await failure(download())).code).toBe("cache-unwritable");
  });
});

describe("processes", () => {
  const script = fileURLToPath(new URL("../../../test/download-process.ts", import.meta.url));
  interface Ended {
    readonly code: number | null;
    readonly out: string;
    readonly err: string;
  }
  function start(onStderr: (text: string, kill: () => void) => void = () => {}): Promise<Ended> {
    const child = spawn(process.execPath, ["--conditions=@masklet/source", "--no-warnings", script, model], {
      env: { ...process.env, ...env(), HF_TOKEN: "" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [out, err] = ["", ""];
    child.stdout.on("data", (data) => (out += data));
    child.stderr.on("data", (data) => {
      err += data;
      onStderr(err, () => child.kill("SIGKILL"));
    });
    return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
  }

  test("eight that want the same model: one download, eight successes", { timeout: 60_000 }, async () => {
    // The first file comes when all eight have asked about it.
    const askers = (): number =>
      hub.seen.filter(({ method, path }) => method === "HEAD" && path.endsWith("json")).length;
    hub.fault = async ({ method }) => {
      while (method === "GET" && askers() < 8) await sleep(10);
      return undefined;
    };
    const asked = new Set<string>();
    const ended = await Promise.all(Array.from({ length: 8 }, () => start()));
    for (const { code, out, err } of ended) {
      expect([code, code === 0 ? "" : err]).toEqual([0, ""]);
      asked.add(out);
    }
    expect([...asked]).toEqual([JSON.stringify(await resolveModel(model, { env: env() }))]);
    expect(hub.downloads.length).toBe(1);
    expect(hub.seen.filter(({ method, path }) => method === "GET" && path.endsWith("config.json")).length).toBe(1);
    expect(sha256(await readFile(JSON.parse(ended[0]?.out ?? "").checkpoint))).toBe(sha256(weights));
    expect((await verifyModel(model, { env: env() })).map(({ intact }) => intact)).toEqual([true, true]);
  });

  test.skipIf(process.platform === "win32")(
    "one killed in the middle: four others take over its lock and its part, one download",
    { timeout: 60_000 },
    async () => {
      hub.fault = onBody((n) => (n === 1 ? { stallAfter: 70_000 } : undefined));
      const killed = await start((err, kill) => {
        if (err.includes("download 70000")) kill();
      });
      expect(killed.code).toBeNull();
      expect(await sizeOfPart()).toBe(70_000);
      expect(await readdir(join(root, "hub", ".locks", `models--facebook--${model}`))).toHaveLength(1);
      const ended = await Promise.all(Array.from({ length: 4 }, () => start()));
      expect(ended.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
      expect(hub.downloads.map(({ range }) => range)).toEqual([undefined, "bytes=70000-"]);
      expect(sha256(await readFile(JSON.parse(ended[0]?.out ?? "").checkpoint))).toBe(sha256(weights));
    },
  );
});

describe("verifyModel", () => {
  test("by the names of the blobs", async () => {
    const { checkpoint, config: beside } = await download();
    const loaded: number[] = [];
    const verified = await verifyModel(model, { env: env(), onProgress: (progress) => loaded.push(progress.loaded) });
    const [hash, git] = [sha256(weights), gitSha1(config)];
    expect(verified).toEqual([
      { path: checkpoint, size: weights.length, algorithm: "sha256", digest: hash, expected: hash, intact: true },
      { path: beside, size: config.length, algorithm: "git-sha1", digest: git, expected: git, intact: true },
    ]);
    expect(loaded).toEqual([weights.length, config.length]);
  });

  test("finds damage, also in a copy", async () => {
    const { checkpoint } = await download();
    const damaged = Uint8Array.from(weights, (byte, i) => (i === 77_777 ? byte ^ 1 : byte));
    await rm(checkpoint);
    await writeFile(checkpoint, weights);
    expect((await verifyModel(model, { env: env() }))[0]).toMatchObject({ expected: sha256(weights), intact: true });
    await writeFile(checkpoint, damaged);
    expect((await verifyModel(model, { env: env() }))[0]).toMatchObject({ digest: sha256(damaged), intact: false });
  });

  test("does not know what was put there by hand", async () => {
    const place = join(folder(), "snapshots", "main", "model.safetensors");
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, weights);
    expect(await verifyModel(model, { env: env() })).toMatchObject([{ expected: undefined, intact: undefined }]);
  });

  test("what is not there, and an abort", async () => {
    expect((await failure(verifyModel(model, { env: env() }))).code).toBe("not-downloaded");
    await download();
    await expect(verifyModel(model, { env: env(), signal: AbortSignal.abort("no") })).rejects.toBe("no");
  });
});

describe("removeModel", () => {
  test("frees all of it, and says how much", async () => {
    await download();
    expect(await removeModel(model, { env: env() })).toBe(weights.length + config.length + commit.length);
    expect(await readdir(join(root, "hub"))).toEqual([".locks"]);
    expect(await removeModel(model, { env: env() })).toBe(0);
    expect((await failure(removeModel("..", { env: env() }))).code).toBe("not-found");
  });

  test("also what a crash left, lock and part", async () => {
    await mkdir(dirname(part()), { recursive: true });
    await writeFile(part(), weights.subarray(0, 1000));
    const locks = join(root, "hub", ".locks", `models--facebook--${model}`);
    await mkdir(locks, { recursive: true });
    await writeFile(join(locks, "x.masklet.lock"), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname(), id: "x" }));
    expect(await removeModel(model, { env: env() })).toBe(1000);
    expect(await readdir(join(root, "hub", ".locks"))).toEqual([]);
  });
});
