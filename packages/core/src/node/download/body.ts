/** A file's bytes over HTTP, in as many requests as it takes: what was cut goes on where it stopped. */
import { DownloadError } from "../../errors.ts";
import { type Connection, connectionFailed, malformed, request, withRetries } from "./request.ts";

export interface BodyOptions {
  /** How many bytes are there already, of an earlier download. */
  readonly from?: number;
  /**
   * The file's size, where it is known before: whoever gives it checks the file as a whole. Without it a file goes on only
   * where the server's ETag or date shows that it is the same file still, and begins anew otherwise.
   */
  readonly size?: number;
  /** Told the size as the server says it, before any byte; may throw. */
  readonly onTotal?: (total: number) => void;
  /** What comes, and where it belongs; at position 0 what came before is void. */
  readonly take: (chunk: Uint8Array, position: number, total: number | undefined) => Promise<void>;
}

/** Fetches a file. Rejects as `request`, "connection-failed" for a file that ends early, and as `take` and `onTotal`. */
export async function fetchBody(
  url: string,
  connection: Connection,
  { from = 0, size, onTotal, take }: BodyOptions,
): Promise<void> {
  let position = from;
  let total = size;
  let version: string | undefined;
  const attempt = async (): Promise<void> => {
    if (position === size) return;
    if (size === undefined && version === undefined) position = 0;
    const headers: Record<string, string> = {};
    if (position > 0) headers["range"] = `bytes=${position}-`;
    if (position > 0 && version !== undefined) headers["if-range"] = version;
    try {
      const changed = await request(url, { method: "GET", headers }, connection, async (response, body) => {
        const range = rangeOf(response);
        if (range === undefined) position = 0;
        else checkRange(range);
        if (size === undefined) {
          // Of what was packed and is unpacked on the way, neither length nor parts are the file's.
          const packed = isPacked(response);
          const now = packed ? undefined : versionOf(response);
          // Not every server looks at If-Range.
          if (position > 0 && now !== version) {
            await response.body?.cancel();
            return true;
          }
          version = now;
          total = packed ? undefined : range === undefined ? lengthOf(response) : range.total;
          if (total !== undefined) onTotal?.(total);
          if (position === 0) await take(new Uint8Array(), 0, total); // should nothing come
        }
        for await (const chunk of body) {
          if (total !== undefined && position + chunk.length > total) {
            throw malformed(url, `more than ${total} bytes came`);
          }
          await take(chunk, position, total);
          position += chunk.length;
        }
        if (total !== undefined && position < total) {
          throw connectionFailed(url, new Error(`it ended after ${position} of ${total} bytes`));
        }
        return false;
      });
      if (!changed) return;
    } catch (error) {
      if (!(error instanceof DownloadError) || error.code !== "range-refused" || position === 0) throw error;
    }
    [position, version] = [0, undefined];
    await attempt();
  };
  const checkRange = ({ start, total: all = size, said }: Range): void => {
    if (start === position && (size === undefined || all === size)) return;
    const wanted = size === undefined ? `bytes from ${position}` : `bytes from ${position} of ${size}`;
    throw malformed(url, `${wanted} were asked for, got ${said}`);
  };
  await withRetries(connection, attempt, () => (total ? position / total : 0));
}

interface Range {
  readonly start: number;
  /** The whole file's size, where it is said. */
  readonly total?: number;
  readonly said: string | null;
}

/** Which part of the file an answer is; `undefined` for the whole. */
function rangeOf({ status, headers }: Response): Range | undefined {
  if (status !== 206) return undefined;
  const said = headers.get("content-range");
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(said ?? "") ?? [];
  return { start: Number(start), ...(total !== "*" && { total: Number(total) }), said };
}

/** Some servers pack what they were asked to send as it is. */
function isPacked({ headers }: Response): boolean {
  return !/^(identity)?$/i.test(headers.get("content-encoding") ?? "");
}

function lengthOf({ headers }: Response): number | undefined {
  const [length] = /^\d{1,15}$/.exec(headers.get("content-length") ?? "") ?? [];
  return length === undefined ? undefined : Number(length);
}

/** What tells one version of a file from the next (RFC 9110, If-Range): a strong ETag, else when it was changed. */
function versionOf({ headers }: Response): string | undefined {
  const etag = headers.get("etag");
  return etag?.startsWith('"') === true ? etag : (headers.get("last-modified") ?? undefined);
}
