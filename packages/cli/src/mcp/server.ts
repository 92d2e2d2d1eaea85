/**
 * A server of the Model Context Protocol over standard input and output: JSON-RPC 2.0, a message a line
 * (modelcontextprotocol.io, revision 2025-06-18; tools alone).
 */
import { createInterface } from "node:readline";
import { describeError, type Host, print } from "../host.ts";

/** Revisions that differ in nothing that is used here; the newest first. */
const revisions = ["2025-06-18", "2025-03-26", "2024-11-05"] as const;

export type Content =
  | { readonly type: "text"; readonly text: string }
  /** Base64. */
  | { readonly type: "image"; readonly data: string; readonly mimeType: string };

export interface Tool {
  readonly name: string;
  readonly title: string;
  /** For the model. */
  readonly description: string;
  /** JSON Schema. */
  readonly inputSchema: object;
  /** What it rejects with is told to the model, which may do better then. */
  call(args: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<readonly Content[]>;
}

export interface McpServer {
  readonly name: string;
  readonly version: string;
  readonly tools: readonly Tool[];
}

const PARSE_ERROR = -32700;
const INVALID_REQUEST = -32600;
const METHOD_NOT_FOUND = -32601;
const INVALID_PARAMS = -32602;

class RpcError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type Id = string | number;
type Fields = Readonly<Record<string, unknown>>;

/** Answers until standard input ends, and what was asked for until then; rejects with the host's signal's reason once it is aborted. */
export async function serveMcp(server: McpServer, host: Host): Promise<void> {
  const running = new Map<Id, AbortController>();
  const pending = new Set<Promise<void>>();
  const lines = createInterface({ input: host.stdin });
  const close = (): void => {
    lines.close();
    for (const stop of running.values()) stop.abort();
  };
  host.signal.addEventListener("abort", close, { once: true });
  const send = (message: object): Promise<void> => print(host, `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  const fail = (id: Id | null, { code, message }: RpcError): Promise<void> => send({ id, error: { code, message } });

  const request = async (id: Id, method: string, params: Fields): Promise<void> => {
    const stop = new AbortController();
    running.set(id, stop);
    try {
      const result = await answer(server, method, params, stop.signal);
      if (!stop.signal.aborted) await send({ id, result });
    } catch (error) {
      if (stop.signal.aborted) return; // nobody waits for it
      if (!(error instanceof RpcError)) throw error;
      await fail(id, error);
    } finally {
      running.delete(id);
    }
  };

  const take = async (line: string): Promise<void> => {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      return fail(null, new RpcError(PARSE_ERROR, "a line is not JSON"));
    }
    const { jsonrpc, id, method, params = {} } = isFields(message) ? message : {};
    const isAnswer = isFields(message) && ("result" in message || "error" in message);
    if (isAnswer) return; // nothing is asked of the client
    const isId = typeof id === "string" || typeof id === "number";
    if (jsonrpc !== "2.0" || typeof method !== "string" || !isFields(params) || !(id === undefined || isId)) {
      return fail(isId ? id : null, new RpcError(INVALID_REQUEST, "a line is no JSON-RPC 2.0 request"));
    }
    if (id === undefined) {
      if (method === "notifications/cancelled") running.get(params["requestId"] as Id)?.abort();
      return;
    }
    if (running.has(id)) return fail(id, new RpcError(INVALID_REQUEST, `${JSON.stringify(id)} is under way already`));
    return request(id, method, params);
  };

  let failure: unknown;
  try {
    if (host.signal.aborted) close();
    for await (const line of lines) {
      if (line.trim() === "") continue;
      const taken = take(line).catch((error: unknown) => {
        failure ??= error; // the client reads no more
        close();
      });
      pending.add(taken);
      void taken.finally(() => pending.delete(taken));
    }
  } finally {
    host.signal.removeEventListener("abort", close);
    await Promise.all(pending);
  }
  host.signal.throwIfAborted();
  if (failure !== undefined) throw failure;
}

async function answer(server: McpServer, method: string, params: Fields, signal: AbortSignal): Promise<object> {
  const { name, version, tools } = server;
  switch (method) {
    case "initialize": {
      const asked = params["protocolVersion"];
      const protocolVersion = revisions.find((one) => one === asked) ?? revisions[0];
      return { protocolVersion, capabilities: { tools: {} }, serverInfo: { name, version } };
    }
    case "ping":
      return {};
    case "tools/list":
      return {
        tools: tools.map(({ name: tool, title, description, inputSchema }) => {
          return { name: tool, title, description, inputSchema, annotations: { title, readOnlyHint: true } };
        }),
      };
    case "tools/call": {
      const tool = tools.find((one) => one.name === params["name"]);
      if (tool === undefined) throw new RpcError(INVALID_PARAMS, `there is no tool ${JSON.stringify(params["name"])}`);
      const { arguments: args = {} } = params;
      if (!isFields(args)) throw new RpcError(INVALID_PARAMS, "arguments must be an object");
      try {
        return { content: await tool.call(args, signal) };
      } catch (error) {
        return { content: [{ type: "text", text: describeError(error) }], isError: true };
      }
    }
    default:
      throw new RpcError(METHOD_NOT_FOUND, `there is no method ${method}`);
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
