/** A registry of npm for Masklet's packages alone, so that they are installed as they will be once they are published. */
import { execFileSync } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";

interface Tarball {
  readonly name: string;
  readonly tarball: string;
}

export interface Registry {
  readonly url: string;
  close(): void;
}

/** Serves tarballs on this machine. Nobody may keep what it says: the next one may say something else. */
export async function serveRegistry(tarballs: readonly Tarball[]): Promise<Registry> {
  const files = new Map<string, Uint8Array>();
  const packages = new Map<string, { readonly version: string; readonly manifest: object; readonly file: string }>();
  for (const { name, tarball } of tarballs) {
    const bytes = readFileSync(tarball);
    const text = execFileSync("tar", ["-xzOf", tarball, "package/package.json"], { encoding: "utf8" });
    const manifest = JSON.parse(text) as { readonly version: string };
    const file = `${name.replace("/", "+")}.tgz`;
    files.set(file, bytes);
    const integrity = `sha512-${createHash("sha512").update(bytes).digest("base64")}`;
    packages.set(name, { version: manifest.version, manifest: { ...manifest, dist: { integrity } }, file });
  }
  // Another address each time, as npm keeps answers by their address.
  const base = `/${randomUUID()}/`;
  const server: Server = createServer(({ url = "", headers }, response) => {
    const path = decodeURIComponent(url.slice(base.length));
    const found = url.startsWith(base) ? packages.get(path) : undefined;
    response.setHeader("Cache-Control", "no-store");
    if (found !== undefined) {
      const { version, manifest, file } = found;
      const dist = { ...(manifest as { readonly dist: object }).dist, tarball: `http://${headers.host}${base}${file}` };
      const answer = { name: path, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } };
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify(answer));
      return;
    }
    const bytes = url.startsWith(base) ? files.get(path) : undefined;
    if (bytes === undefined) response.writeHead(404);
    response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  const port = typeof bound === "object" ? bound?.port : undefined;
  return { url: `http://127.0.0.1:${port}${base}`, close: () => server.close() };
}
