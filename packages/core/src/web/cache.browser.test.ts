import type {} from "@vitest/browser-playwright"; // what cdp() can do
import { afterEach, describe, expect, test } from "vitest";
import { cdp } from "vitest/browser";
import type { ByteSource } from "../checkpoint/byte-source.ts";
import { DownloadError } from "../errors.ts";
import { published } from "../model/published.ts";
import { type CachedSourceOptions, cachedSource, hubUrl } from "./cache.ts";
import { autoModel, cachedModels, forgetModel } from "./segment.ts";
import { openSource, presetFile } from "./source.ts";

const url = "https://models.example/tiny.safetensors?signature=secret";
const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => Math.imul(i, 2654435761) >>> 24);
const sha256 = Array.from(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)), (byte) =>
  byte.toString(16).padStart(2, "0"),
).join("");

let asked = 0;
/** Answers in pieces, as a network does; `pieces` may throw. */
const answer =
  (pieces: (index: number) => Uint8Array<ArrayBuffer> | undefined, init: ResponseInit = {}): typeof fetch =>
  async (_, options) => {
    asked++;
    let index = 0;
    const body = new ReadableStream<Uint8Array>({
      start: (stream) => options?.signal?.addEventListener("abort", () => stream.error(options.signal?.reason)),
      pull: async (stream) => {
        await new Promise((resolve) => setTimeout(resolve));
        const piece = pieces(index++);
        if (piece === undefined) stream.close();
        else stream.enqueue(piece);
      },
    });
    return new Response(body, { headers: { "content-length": String(bytes.length) }, ...init });
  };
const pieceOf = (file: Uint8Array<ArrayBuffer>) => (index: number) =>
  index * 50_000 < file.length ? file.slice(index * 50_000, (index + 1) * 50_000) : undefined;
const whole = answer(pieceOf(bytes));
const failure = async (options: CachedSourceOptions): Promise<DownloadError> => {
  const error: unknown = await cachedSource(url, options).catch((reason: unknown) => reason);
  if (!(error instanceof DownloadError)) throw new Error(`a DownloadError was expected, got ${error}`);
  return error;
};
const keys = async (): Promise<number> => (await (await caches.open("masklet")).keys()).length;

afterEach(async () => {
  asked = 0;
  await Promise.all((await caches.keys()).map((name) => caches.delete(name)));
});

test("downloads once, then reads ranges from the cache", async () => {
  const loaded: number[] = [];
  const onProgress: CachedSourceOptions["onProgress"] = (progress) => {
    expect(progress.total).toBe(bytes.length);
    loaded.push(progress.loaded);
  };
  for (let i = 0; i < 2; i++) {
    const source = await cachedSource(url, { fetch: whole, onProgress, sha256 });
    expect([source.name, source.size]).toEqual(["https://models.example/tiny.safetensors", bytes.length]);
    expect(await source.read(123_456, 1000)).toEqual(bytes.slice(123_456, 124_456));
    expect(await source.read(bytes.length, 0)).toEqual(new Uint8Array());
    await expect(source.read(bytes.length - 1, 2)).rejects.toMatchObject({ code: "truncated" });
    await expect(source.read(0, 1, { signal: AbortSignal.abort("no") })).rejects.toBe("no");
  }
  expect(asked).toBe(1);
  expect(loaded).toEqual([1, 2, 3, 4, 5, 6].map((n) => n * 50_000));
});

test("a real file of this server, with the browser's own fetch", async () => {
  const address = new URL("./cache.ts", import.meta.url);
  const source = await cachedSource(address, { cacheName: "another" });
  const fetched = new Uint8Array(await (await fetch(address)).arrayBuffer());
  expect(await source.read(0, source.size)).toEqual(fetched);
  expect(await caches.keys()).toEqual(["another"]);
});

test("asked for twice at once, downloads once", async () => {
  const sources = await Promise.all([1, 2, 3].map(() => cachedSource(url, { fetch: whole })));
  expect([asked, ...sources.map(({ size }) => size)]).toEqual([1, bytes.length, bytes.length, bytes.length]);
});

describe("nothing is kept of", () => {
  test("a cut", async () => {
    const cut = answer((index) => {
      if (index === 3) throw new TypeError("network error");
      return pieceOf(bytes)(index);
    });
    expect((await failure({ fetch: cut })).code).toBe("connection-failed");
    expect(await keys()).toBe(0);
    expect((await cachedSource(url, { fetch: whole })).size).toBe(bytes.length);
  });

  test("a file that is shorter than its length", async () => {
    const error = await failure({ fetch: answer(pieceOf(bytes.slice(0, 120_000))) });
    expect([error.code, error.message]).toEqual(["connection-failed", expect.stringContaining("120000 of 300000")]);
    expect(await keys()).toBe(0);
  });

  test("a damaged file", async () => {
    const damaged = bytes.map((byte, i) => (i === 7 ? byte ^ 1 : byte));
    expect(await failure({ fetch: answer(pieceOf(damaged)), sha256 })).toMatchObject({
      code: "hash-mismatch",
      details: { expected: sha256, actual: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
    expect(await keys()).toBe(0);
    // One that was kept without a hash is not trusted either.
    await cachedSource(url, { fetch: answer(pieceOf(damaged)) });
    const source = await cachedSource(url, { fetch: whole, sha256 });
    expect(await source.read(7, 1)).toEqual(bytes.slice(7, 8));
  });

  test("what is aborted, and the reason comes out", async () => {
    const controller = new AbortController();
    const onProgress: CachedSourceOptions["onProgress"] = ({ loaded }) => {
      if (loaded === 100_000) controller.abort("enough");
    };
    await expect(cachedSource(url, { fetch: whole, onProgress, signal: controller.signal })).rejects.toBe("enough");
    await expect(cachedSource(url, { fetch: whole, signal: AbortSignal.abort("early") })).rejects.toBe("early");
    expect([asked, await keys()]).toEqual([1, 0]);
  });

  test("a progress callback's mistake, which comes out as it is", async () => {
    const mistake = new Error("mine");
    const onProgress = (): never => {
      throw mistake;
    };
    await expect(cachedSource(url, { fetch: whole, onProgress })).rejects.toBe(mistake);
    expect(await keys()).toBe(0);
  });
});

test.each([
  [401, "unauthorized"],
  [404, "not-on-server"],
  [429, "rate-limited"],
  [500, "server-error"],
])("%i is %s", async (status, code) => {
  const error = await failure({ fetch: answer(() => undefined, { status }) });
  expect(error).toMatchObject({ code, details: { status } });
  expect(error.message).not.toContain("secret");
});

test("nobody there", async () => {
  const error: unknown = await cachedSource("http://localhost:9/x").catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "connection-failed", cause: expect.any(TypeError) });
});

test("a full quota is explained", async () => {
  const { origin } = location;
  await cdp().send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 100_000 });
  try {
    const error = await failure({ fetch: whole });
    expect(error).toMatchObject({
      code: "quota-exceeded",
      details: { needed: bytes.length, usage: expect.any(Number) },
    });
    expect(error.message).toContain("smaller model");
    expect(await keys()).toBe(0);
  } finally {
    await cdp().send("Storage.overrideQuotaForOrigin", { origin });
  }
  expect((await cachedSource(url, { fetch: whole })).size).toBe(bytes.length);
});

test("a model's name is its official file at a commit, held to the known hash", async () => {
  const addresses: string[] = [];
  const fetch: typeof globalThis.fetch = async (address, init) => {
    addresses.push(String(address));
    return whole(address, init);
  };
  for (const [name, { repository, file, sha256: expected, commit = "main" }] of Object.entries(published)) {
    if (expected === undefined) continue;
    const error: unknown = await openSource(name, { fetch }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "hash-mismatch", details: { expected, actual: sha256 } });
    expect(addresses.at(-1)).toBe(`https://huggingface.co/${repository}/resolve/${commit}/${file}`);
  }
  expect([addresses.length, await keys()]).toEqual([9, 0]);
  expect(addresses.find((address) => address.includes("sam2.1-hiera-tiny"))).toMatch(
    /facebook\/sam2\.1-hiera-tiny\/resolve\/[0-9a-f]{40}\/sam2\.1_hiera_tiny\.pt$/,
  );
});

test("a model whose hash nobody lists is its file all the same, and what a page has of them is what nobody names", async () => {
  expect(await autoModel()).toBeUndefined();
  const source = await openSource("efficienttam-ti-512", { fetch: whole });
  const url = "https://huggingface.co/yunyangx/efficient-track-anything/resolve/main/efficienttam_ti_512x512.pt";
  expect([(source as ByteSource).name, await autoModel()]).toEqual([url, "efficienttam-ti-512"]);
  const { url: better } = presetFile("sam2.1-hiera-tiny");
  await (await caches.open("masklet")).put(better, new Response(bytes));
  expect(await cachedModels()).toEqual(["sam2.1-hiera-tiny", "efficienttam-ti-512"]);
  expect(await forgetModel("sam2.1-hiera-tiny")).toBe(true);
  expect([await cachedModels(), await forgetModel("sam2.1-hiera-tiny")]).toEqual([["efficienttam-ti-512"], false]);
});

test("forgetting where nothing is kept makes no cache, and other names are refused", async () => {
  await caches.delete("masklet");
  expect([await forgetModel("edgetam"), await caches.has("masklet")]).toEqual([false, false]);
  await expect(forgetModel("nano" as "edgetam")).rejects.toMatchObject({ code: "bad-option" });
});

test("hubUrl", () => {
  expect(hubUrl("sam2.1-hiera-tiny")).toBe(
    "https://huggingface.co/facebook/sam2.1-hiera-tiny/resolve/main/model.safetensors",
  );
  expect(hubUrl("edgetam")).toBe("https://huggingface.co/facebook/EdgeTAM/resolve/main/edgetam.pt");
  expect(hubUrl("me/mine", "model.pt", "v2")).toBe("https://huggingface.co/me/mine/resolve/v2/model.pt");
  expect(hubUrl("me/mine", "config.json")).toBe("https://huggingface.co/me/mine/resolve/main/config.json");
});
