// Serves the repository on this machine alone, with the headers that give a page threads:
//
//   node examples/browser/serve.mjs [PORT]
import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize, sep } from "node:path";
import process from "node:process";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";

const root = await realpath(fileURLToPath(new URL("../..", import.meta.url)));

/** @type {Record<string, string>} */
const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".json": "application/json",
  ".png": "image/png",
  ".wasm": "application/wasm",
};

const server = createServer(async ({ url = "/", method }, response) => {
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
  try {
    const wanted = decodeURIComponent(new URL(url, "http://localhost").pathname);
    const path = await realpath(join(root, normalize(wanted.endsWith("/") ? `${wanted}index.html` : wanted)));
    const file = path.startsWith(root + sep) && method === "GET" ? await stat(path) : undefined;
    if (!file?.isFile()) throw new Error(`no file at ${wanted}`);
    response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
    response.setHeader("Content-Length", file.size);
    await pipeline(createReadStream(path), response);
  } catch {
    if (!response.headersSent) response.writeHead(404);
    response.end();
  }
});

server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  console.log(`http://localhost:${port}/examples/browser/`);
});
