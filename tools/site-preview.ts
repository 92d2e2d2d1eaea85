/** Serves a folder below a path, as GitHub Pages does. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";

const types: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".html": "text/html",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
};

export interface Preview {
  readonly origin: string;
  close(): Promise<void>;
}

/** `before` is awaited before a file is sent, and told its path in the site. */
export async function preview(
  folder: string,
  base: string,
  before: (path: string) => Promise<void> = async () => {},
): Promise<Preview> {
  const server = createServer(async ({ url = "/" }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    const asked = join(folder, pathname.startsWith(`${base}/`) ? decodeURIComponent(pathname.slice(base.length)) : "?");
    const path = existsSync(asked) && statSync(asked).isDirectory() ? join(asked, "index.html") : asked;
    if (!existsSync(path)) {
      response.writeHead(404).end();
      return;
    }
    await before(pathname.slice(base.length));
    response.setHeader("Content-Type", types[extname(path)] ?? "application/octet-stream");
    response.end(readFileSync(path));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the server has no address");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
