import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { fetchBytes, fetchToFile } from "./address.ts";

const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
let answer: RequestListener;
let server: Server;
let address = "";
let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "masklet-address-"));
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(root, { recursive: true });
});
const quick = { maxBytes: 1e6, retries: 1, retryDelayMs: 1 };

test("bytes and a file, through a redirect, with progress and without the query", async () => {
  answer = ({ url }, response) => {
    if (url === "/a?key=secret") response.writeHead(302, { location: "/b.png" }).end();
    else response.setHeader("content-length", bytes.length).end(bytes);
  };
  const seen: unknown[] = [];
  const options = { ...quick, onProgress: (progress: unknown) => seen.push(progress) };
  expect(Buffer.compare(await fetchBytes(`${address}/a?key=secret`, options), bytes)).toBe(0);
  expect(seen.at(-1)).toEqual({
    stage: "download",
    item: `${address}/a`,
    loaded: 100_000,
    total: 100_000,
    fraction: 1,
  });
  await fetchToFile(new URL(`${address}/b.png`), join(root, "b.png"), quick);
  expect(Buffer.compare(await readFile(join(root, "b.png")), bytes)).toBe(0);
});

/** Answers as a server that has ranges, and cuts the first answer in its middle. */
function cutting(version: (asked: number) => Record<string, string>): (string | undefined)[] {
  const seen: (string | undefined)[] = [];
  answer = ({ headers }, response) => {
    const named = version(seen.length);
    seen.push(headers.range);
    const unchanged = [named["etag"], named["last-modified"]].includes(String(headers["if-range"]));
    const start = unchanged || named["ignores"] ? Number(/\d+/.exec(headers.range ?? "")?.[0] ?? 0) : 0;
    const part = start === 0 ? {} : { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
    const { ignores: _, ...tags } = named;
    response.writeHead(start === 0 ? 200 : 206, { "content-length": bytes.length - start, ...part, ...tags });
    if (seen.length > 1) return void response.end(bytes.subarray(start));
    // They arrive before the cut does.
    response.write(bytes.subarray(0, 50_000), () => setTimeout(() => response.destroy(), 50));
  };
  return seen;
}

test.each<[string, (asked: number) => Record<string, string>, boolean]>([
  ["an ETag", () => ({ etag: '"one"' }), true],
  ["a date", () => ({ "last-modified": "Sat, 28 Nov 2026 10:00:00 GMT" }), true],
  ["nothing", () => ({}), false],
  ["an ETag that promises too little", () => ({ etag: 'W/"one"' }), false],
  ["another ETag by now", (asked) => ({ etag: `"${asked}"` }), false],
])("a cut where the server tells versions by %s", async (_, version, goesOn) => {
  const seen = cutting(version);
  const path = join(root, "cut");
  await fetchToFile(`${address}/cut`, path, quick);
  expect(Buffer.compare(await readFile(path), bytes)).toBe(0);
  expect(seen).toHaveLength(2);
  const [, second] = seen;
  const resumed = /^bytes=([1-9]\d*)-$/.test(second ?? "");
  expect(resumed).toBe(goesOn || version(0)["etag"] === '"0"');

  seen.length = 0;
  expect(Buffer.compare(await fetchBytes(`${address}/cut`, quick), bytes)).toBe(0);
});

test("a server that has changed the file and does not look at If-Range: it is fetched anew", async () => {
  const seen = cutting((asked) => ({ etag: `"${asked}"`, ignores: "yes" }));
  expect(Buffer.compare(await fetchBytes(`${address}/cut`, quick), bytes)).toBe(0);
  expect(seen).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/), undefined]);
});

test("what a server packs without being asked has another length, and begins anew", async () => {
  const packed = gzipSync(bytes);
  const ranges: unknown[] = [];
  answer = ({ headers }, response) => {
    ranges.push(headers.range);
    response.writeHead(200, { "content-length": packed.length, "content-encoding": "gzip", etag: '"one"' });
    if (ranges.length > 1) return void response.end(packed);
    response.write(packed.subarray(0, packed.length / 2), () => setTimeout(() => response.destroy(), 50));
  };
  expect(Buffer.compare(await fetchBytes(`${address}/packed`, quick), bytes)).toBe(0);
  expect(ranges).toEqual([undefined, undefined]);
});

test("what is empty by now leaves nothing of what came before", async () => {
  let asked = 0;
  answer = (_, response) => {
    if (asked++ > 0) return void response.setHeader("content-length", 0).end();
    response.setHeader("content-length", bytes.length).write(bytes.subarray(0, 500), () => response.destroy());
  };
  await fetchToFile(`${address}/cut`, join(root, "cut"), quick);
  expect((await readFile(join(root, "cut"))).length).toBe(0);
});

test.each<[string, RequestListener, string]>([
  [
    "what says that it is too large",
    (_, response) => response.setHeader("content-length", 2e9).write("x"),
    "too-large",
  ],
  ["what is too large without a word", (_, response) => response.end(new Uint8Array(2e6)), "too-large"],
  ["what is not there", (_, response) => response.writeHead(404).end(), "not-on-server"],
  ["a server that fails", (_, response) => response.writeHead(503).end(), "server-error"],
])("%s", async (_, listener, code) => {
  answer = listener;
  await expect(fetchBytes(`${address}/x?key=secret`, quick)).rejects.toMatchObject({ name: "DownloadError", code });
  await expect(fetchBytes(`${address}/x?key=secret`, quick)).rejects.not.toThrow(/secret/);
});

test("nobody answers", async () => {
  const gone = address;
  await new Promise((resolve) => server.close(resolve));
  await expect(fetchBytes(gone, quick)).rejects.toMatchObject({ code: "connection-failed" });
  server.listen(0);
});

test("an abort", async () => {
  answer = (_, response) => void response.write("x");
  const controller = new AbortController();
  const fetching = fetchBytes(address, { ...quick, signal: controller.signal });
  controller.abort("stop");
  await expect(fetching).rejects.toBe("stop");
});
