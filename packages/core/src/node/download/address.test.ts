import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

test("a cut is tried again, from the start", async () => {
  let asked = 0;
  answer = (_, response) => {
    response.setHeader("content-length", bytes.length);
    if (asked++ > 0) return void response.end(bytes);
    response.write(bytes.subarray(0, 500), () => response.destroy());
  };
  await fetchToFile(`${address}/cut`, join(root, "cut"), quick);
  expect([asked, Buffer.compare(await readFile(join(root, "cut")), bytes)]).toEqual([2, 0]);
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
