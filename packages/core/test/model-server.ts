import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What goes wrong with one answer. */
export interface Fault {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfter?: number;
  /** Nothing more is said after so many bytes of the body. */
  readonly stallAfter?: number;
  /** This byte of the file is another. */
  readonly damageAt?: number;
  readonly ignoreRange?: boolean;
  /** More is sent than the file has. */
  readonly tooMuch?: boolean;
}

/** A request as it came. */
export interface Seen {
  readonly server: "hub" | "cdn";
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
}

/** One file of a repository; LFS files lie on the CDN. */
export interface HubFile {
  readonly bytes: Uint8Array;
  readonly lfs: boolean;
}

export const commit = "0123456789abcdef0123456789abcdef01234567";

export const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
export const gitSha1 = (bytes: Uint8Array): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

/**
 * Two servers that answer as huggingface.co and its CDN: the hub at `127.0.0.1`, which redirects from
 * `/owner/model/resolve/revision/file` to the CDN at `localhost`, another host and another port.
 */
export class ModelServer {
  readonly seen: Seen[] = [];
  /** By `owner/model/file`, `datasets/owner/name/file`. */
  readonly files: Map<string, HubFile> = new Map();
  /** Asked before each answer. */
  fault: (request: Seen) => Fault | undefined | Promise<undefined> = () => undefined;
  readonly #hub: Server = createServer((request, response) => void this.#hubAnswers(request, response));
  readonly #cdn: Server = createServer((request, response) => void this.#cdnAnswers(request, response));

  async start(): Promise<void> {
    await Promise.all(
      (
        [
          [this.#hub, "127.0.0.1"],
          [this.#cdn, "localhost"],
        ] as const
      ).map(([server, host]) => new Promise<void>((resolve) => server.listen(0, host, resolve))),
    );
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  /** The hub's address, valid after `start`. */
  get endpoint(): string {
    return `http://127.0.0.1:${portOf(this.#hub)}`;
  }

  /** Bodies that were asked for of the CDN. */
  get downloads(): readonly Seen[] {
    return this.seen.filter(({ server, method }) => server === "cdn" && method === "GET");
  }

  #note(server: Seen["server"], { method = "", url = "", headers }: IncomingMessage): Seen {
    const { authorization, range } = headers;
    const seen = { server, method, path: url, authorization, range };
    this.seen.push(seen);
    return seen;
  }

  async #hubAnswers(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = this.#note("hub", request);
    const fault = await this.fault(seen);
    if (fault?.status !== undefined) return void response.writeHead(fault.status, fault.headers).end("no");
    const [, repository, revision, file] = /^\/(.+)\/resolve\/([^/]+)\/(.+)$/.exec(seen.path) ?? [];
    const found = this.files.get(`${repository}/${file}`);
    if (found === undefined || (revision !== "main" && revision !== commit)) {
      const code = [...this.files.keys()].some((key) => key.startsWith(`${repository}/`)) ? "Entry" : "Repo";
      return void response.writeHead(404, { "x-error-code": `${code}NotFound`, "x-repo-commit": commit }).end();
    }
    const { bytes, lfs } = found;
    if (!lfs) {
      const headers = { etag: `W/"${gitSha1(bytes)}"`, "x-repo-commit": commit, ...fault?.headers };
      send(request, response, bytes, headers, fault);
      return;
    }
    response.writeHead(302, {
      location: `http://localhost:${portOf(this.#cdn)}/${repository}/${file}?signature=secret`,
      "x-repo-commit": commit,
      "x-linked-etag": `"${sha256(bytes)}"`,
      "x-linked-size": String(bytes.length),
      ...fault?.headers,
    });
    response.end("Found");
  }

  async #cdnAnswers(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = this.#note("cdn", request);
    const fault = await this.fault(seen);
    if (fault?.status !== undefined) return void response.writeHead(fault.status, fault.headers).end("no");
    const found = this.files.get(new URL(seen.path, "http://cdn").pathname.slice(1));
    if (found === undefined) return void response.writeHead(404).end();
    send(request, response, found.bytes, { etag: '"another"', ...fault?.headers }, fault);
  }
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  file: Uint8Array,
  headers: Readonly<Record<string, string>>,
  fault: Fault = {},
): void {
  const [, from] = /^bytes=(\d+)-$/.exec((fault.ignoreRange !== true && request.headers.range) || "") ?? [];
  const start = Number(from ?? 0);
  if (start >= file.length) {
    return void response.writeHead(416, { "content-range": `bytes */${file.length}` }).end();
  }
  let body = Buffer.from(file.subarray(start));
  if (fault.damageAt !== undefined && fault.damageAt >= start) {
    const at = fault.damageAt - start;
    body[at] = (body[at] ?? 0) ^ 0x55;
  }
  if (fault.tooMuch === true) body = Buffer.concat([body, body]);
  response.writeHead(from === undefined ? 200 : 206, {
    "content-length": body.length,
    "accept-ranges": "bytes",
    ...(from !== undefined && { "content-range": `bytes ${start}-${file.length - 1}/${file.length}` }),
    ...headers,
  });
  if (request.method === "HEAD") return void response.end();
  const stop = fault.cutAfter ?? fault.stallAfter;
  if (stop === undefined || stop >= body.length) return void response.end(body);
  response.flushHeaders();
  response.write(body.subarray(0, stop), () => {
    // What was written is to arrive before the cut does.
    if (fault.cutAfter !== undefined) setTimeout(() => response.socket?.destroy(), 3);
  });
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
