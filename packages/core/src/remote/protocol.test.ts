/** Calls, events, aborts and iterables between the ends of a `MessageChannel`, without a model. */
import { MessageChannel } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { AbortSignalLike } from "../abort.ts";
import { RemoteError, StateError } from "../errors.ts";
import { TestAbort } from "../testing/fixtures.ts";
import { Caller } from "./caller.ts";
import { type RemoteHost, serve } from "./host.ts";
import { data, handle, integer } from "./kind.ts";
import type { Handle, Method, Table } from "./methods.ts";
import type { PortLike } from "./port.ts";
import { protocolVersion } from "./protocol.ts";

interface Toy {
  double: { params: number; result: number; event: never };
  steps: { params: number; result: string; event: number };
  hang: { params: undefined; result: never; event: never };
  odd: { params: undefined; result: unknown; event: never };
  count: { params: number; result: Handle<AsyncIterable<number>>; event: never };
  plain: { params: undefined; result: Handle<AsyncIterable<number>>; event: never };
}

const toy: Table<Toy> = {
  double: { takes: data(), answers: data() },
  steps: { takes: integer, answers: data(), reports: integer },
  hang: { takes: data(), answers: data() },
  odd: { takes: data(), answers: data() },
  count: { takes: integer, answers: handle() },
  plain: { takes: data(), answers: handle() },
};

let channel: InstanceType<typeof MessageChannel>;
let host: RemoteHost;
let client: Caller<Toy>;
/** What the host has seen. */
let produced: number[];
let reasons: unknown[];
let ended: number;
/** Awaited before each item. */
let pause: (item: number, signal: AbortSignalLike) => Promise<void>;

const untilAborted = (signal: AbortSignalLike): Promise<never> =>
  new Promise((_, reject) => {
    const abort = (): void => {
      reasons.push(signal.reason);
      reject(signal.reason);
    };
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
  });

function serveToy(port: PortLike): RemoteHost {
  return serve(port, toy, {
    double: async (x) => 2 * x,
    steps: async (count, { emit }) => {
      for (let i = 0; i < count; i++) emit(i);
      return "done";
    },
    hang: (_, { signal }) => untilAborted(signal),
    odd: async () => () => "a function",
    count: async (limit, { holdIterable }) =>
      holdIterable(async function* (signal) {
        try {
          for (let i = 0; i < limit; i++) {
            await pause(i, signal);
            produced.push(i);
            yield i;
          }
        } finally {
          ended++;
        }
      }),
    plain: async (_, { holdIterable }) =>
      holdIterable(() => {
        let i = 0;
        let running = 0;
        // no generator: it cannot be asked for a second item before it has given the first, and cannot be ended
        const next = async (): Promise<IteratorResult<number>> => {
          expect(++running).toBe(1);
          await settled();
          running--;
          return i < 3 ? { value: i++ } : { done: true, value: undefined };
        };
        return { [Symbol.asyncIterator]: () => ({ next }) };
      }),
  });
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

beforeEach(() => {
  channel = new MessageChannel();
  [produced, reasons, ended, pause] = [[], [], 0, async () => {}];
  host = serveToy(channel.port1);
  client = new Caller(channel.port2, toy);
});
afterEach(async () => {
  await settled();
  expect([client.pending, host.live]).toEqual([0, 0]);
  await client.close();
  await host.dispose();
  channel.port1.close();
});

const numbers = (limit: number, options?: Parameters<Caller<Toy>["iterate"]>[2]): AsyncGenerator<number, void, void> =>
  client.iterate(() => client.call("count", limit), integer, options);

describe("a call", () => {
  test("gets its own answer, however many are under way", async () => {
    const answers = [1, 2, 3].map((x) => client.call("double", x));
    expect(client.pending).toBe(3);
    expect(await Promise.all(answers)).toEqual([2, 4, 6]);
  });

  test("reports events before its answer", async () => {
    const events: number[] = [];
    const answer = client.call("steps", 3, { onEvent: (event) => events.push(event) });
    expect(await answer.then(() => [...events])).toEqual([0, 1, 2]);
  });

  test("rejects with what its listener throws", async () => {
    const failure = new Error("listener");
    const onEvent = vi.fn(() => {
      throw failure;
    });
    await expect(client.call("steps", 1, { onEvent })).rejects.toBe(failure);
  });

  test("passes an abort on, with its reason", async () => {
    for (const early of [true, false]) {
      const abort = new TestAbort();
      if (early) abort.abort();
      const call = client.call("hang", undefined, { signal: abort.signal });
      if (!early) abort.abort();
      await expect(call).rejects.toThrow("aborted by the test");
      expect(abort.listeners).toBe(0);
    }
    expect(reasons).toEqual([new Error("aborted by the test"), new Error("aborted by the test")]);
  });

  test("of a method that is none", async () => {
    const row = { takes: data(), answers: data() };
    const other = new Caller<Record<"missing" | "constructor", Method<unknown, unknown, never>>>(channel.port2, {
      missing: row,
      constructor: row,
    });
    for (const method of ["missing", "constructor"] as const) {
      await expect(other.call(method, undefined)).rejects.toMatchObject({
        name: "RemoteError",
        code: "bad-message",
        details: { method },
      });
    }
    await expect(client.call("next", { handle: 99 })).rejects.toMatchObject({ code: "bad-message" });
    await client.release({ handle: 99 });
  });

  test("whose parameters or result cannot be sent", async () => {
    const params = (() => 1) as unknown as number;
    await expect(client.call("double", params)).rejects.toMatchObject({
      code: "not-sendable",
      cause: { name: "DataCloneError" },
    });
    await expect(client.call("odd", undefined)).rejects.toMatchObject({
      code: "not-sendable",
      message: "the result of odd cannot be sent",
    });
  });
});

describe("an iterable", () => {
  test("computes an item when it is asked for, not before", async () => {
    const seen: number[] = [];
    for await (const item of numbers(4)) {
      seen.push(item);
      await settled();
      expect(produced).toEqual(seen);
    }
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(ended).toBe(1);
  });

  test("computes so many ahead as it is told", async () => {
    const seen: number[] = [];
    for await (const item of numbers(9, { ahead: 2 })) {
      seen.push(item);
      await settled();
      expect(produced.length).toBe(Math.min(9, seen.length + 2));
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test("that is no generator is never asked twice at once", async () => {
    const seen: number[] = [];
    for await (const item of client.iterate(() => client.call("plain", undefined), integer, { ahead: 5 }))
      seen.push(item);
    expect(seen).toEqual([0, 1, 2]);
    for await (const item of client.iterate(() => client.call("plain", undefined), integer)) {
      expect(item).toBe(0);
      break;
    }
  });

  test.each([0, 3])("ends on the host when the loop is left, with %i ahead", async (ahead) => {
    for await (const item of numbers(100, { ahead })) if (item === 2) break;
    expect(ended).toBe(1);
    expect(produced.length).toBeLessThanOrEqual(3 + ahead);
    expect(host.live).toBe(0);
  });

  test("ends without the item that is under way, when the loop is left", async () => {
    pause = (item, signal) => (item < 2 ? Promise.resolve() : untilAborted(signal));
    for await (const item of numbers(100, { ahead: 3 })) if (item === 1) break;
    expect([produced, ended]).toEqual([[0, 1], 1]);
    expect(reasons).toMatchObject([{ code: "disposed" }]);
  });

  test("of which nothing is asked opens nothing", async () => {
    const items = numbers(3);
    await items.return();
    expect(ended).toBe(0);
  });

  test("rejects with what the host throws", async () => {
    pause = async (item) => {
      if (item === 2) throw new StateError("no-prompt", "frame 2");
    };
    const seen: number[] = [];
    const loop = async (): Promise<void> => {
      for await (const item of numbers(9, { ahead: 4 })) seen.push(item);
    };
    await expect(loop()).rejects.toEqual(new StateError("no-prompt", "frame 2"));
    expect([seen, ended]).toEqual([[0, 1], 1]);
  });

  test.each([0, 2])("rejects at once when aborted, and stops the host, with %i ahead", async (ahead) => {
    const abort = new TestAbort();
    pause = (item, signal) => (item === 1 ? untilAborted(signal) : Promise.resolve());
    const items = numbers(9, { ahead, signal: abort.signal });
    expect(await items.next()).toEqual({ done: false, value: 0 });
    const next = items.next();
    await settled();
    abort.abort();
    await expect(next).rejects.toBe(abort.reason);
    await settled();
    expect([produced, ended, reasons.length]).toEqual([[0], 1, 1]);
    expect(abort.listeners).toBe(0);
  });

  test("that was aborted while it opened is ended", async () => {
    const abort = new TestAbort();
    const items = numbers(9, { signal: abort.signal });
    const first = items.next();
    abort.abort();
    await expect(first).rejects.toBe(abort.reason);
    expect(produced).toEqual([]);
  });

  test("two at once do not mix", async () => {
    const [a, b] = [numbers(3), numbers(5, { ahead: 1 })];
    const seen: unknown[] = [];
    for await (const item of a) seen.push(item, (await b.next()).value);
    expect(seen).toEqual([0, 0, 1, 1, 2, 2]);
    await b.return();
    expect(ended).toBe(2);
  });
});

describe("the end", () => {
  test("of the client frees everything on the host, and its calls reject", async () => {
    const items = numbers(9);
    await items.next();
    const call = client.call("hang", undefined);
    const closed = client.close();
    await expect(call).rejects.toEqual(new StateError("disposed", "the client of the remote model is disposed"));
    await closed;
    expect([ended, host.live, reasons.length]).toEqual([1, 0, 1]);
    await expect(client.call("double", 1)).rejects.toMatchObject({ code: "disposed" });
    await items.return(); // its release is the host's already
    await client.close();

    const next = new Caller(channel.port2, toy);
    expect(await next.call("double", 4)).toBe(8);
    await next.close();
  });

  test("of a client does not disturb the next one on the same port", async () => {
    const hanging = client.call("hang", undefined).catch((error: unknown) => error);
    void client.close();
    const next = new Caller(channel.port2, toy);
    expect(await next.call("double", 4)).toBe(8);
    expect(await hanging).toMatchObject({ code: "disposed" });
    await next.close();
  });

  test("of the host rejects what waits, and what comes", async () => {
    const items = numbers(9);
    await items.next();
    const call = client.call("hang", undefined);
    await settled();
    await host.dispose();
    const lost = { name: "RemoteError", code: "lost", message: "the host was disposed" };
    await expect(call).rejects.toMatchObject(lost);
    await expect(call).rejects.toBeInstanceOf(RemoteError);
    await expect(client.call("double", 1)).rejects.toMatchObject(lost);
    await expect(items.next()).rejects.toMatchObject(lost);
    expect(ended).toBe(1);
  });

  test.each(["port1", "port2"] as const)("of the channel, from %s, frees both sides", async (port) => {
    const items = numbers(9);
    await items.next();
    const call = client.call("hang", undefined);
    await settled();
    channel[port].close();
    await expect(call).rejects.toMatchObject({ code: "lost", message: "the host is lost: the port is closed" });
    await settled();
    expect([ended, host.live]).toEqual([1, 0]);
  });

  test("of a worker that fails is told from its error event, or Node's", async () => {
    const target = new EventTarget();
    const web = new Caller<Toy>(
      {
        postMessage: () => {},
        addEventListener: (type, listener) => target.addEventListener(type, listener),
        removeEventListener: (type, listener) => target.removeEventListener(type, listener),
      },
      toy,
    );
    const call = web.call("double", 1);
    target.dispatchEvent(Object.assign(new Event("error"), { message: "boom" }));
    await expect(call).rejects.toMatchObject({ code: "lost", message: "the host is lost: the worker failed: boom" });

    for (const [event, value, message] of [
      ["exit", 3, "the host is lost: the worker ended with exit code 3"],
      ["error", new Error("boom"), "the host is lost: the worker failed: boom"],
      ["messageerror", new Error("unreadable"), "the host is lost: a message cannot be read here"],
    ] as const) {
      const listeners = new Map<string, (value: unknown) => void>();
      const node = new Caller<Toy>(
        {
          postMessage: () => {},
          on: (event, listener) => listeners.set(event, listener),
          off: (event) => listeners.delete(event),
        },
        toy,
      );
      const call = node.call("double", 1);
      listeners.get(event)?.(value);
      await expect(call).rejects.toMatchObject({ code: "lost", message });
      expect([node.pending, listeners.size]).toEqual([0, 0]);
    }
  });
});

describe("the version", () => {
  test("of another client is refused, so that it learns of it", async () => {
    const answer = new Promise((resolve) => channel.port2.once("message", resolve));
    channel.port2.postMessage({ masklet: 99, type: "call", id: 7, method: "double", params: 1 });
    expect(await answer).toMatchObject({
      masklet: protocolVersion,
      type: "error",
      id: 7,
      error: { class: "RemoteError", code: "protocol-version", details: { expected: protocolVersion, got: 99 } },
    });
  });

  test("of another host rejects all calls", async () => {
    await host.dispose();
    const { port1, port2 } = new MessageChannel();
    port1.on("message", ({ id }: { id: number }) => port1.postMessage({ masklet: 99, type: "future", id }));
    const caller = new Caller(port2, toy);
    await expect(caller.call("double", 1)).rejects.toMatchObject({
      name: "RemoteError",
      code: "protocol-version",
      details: { expected: protocolVersion, got: 99 },
    });
    await expect(caller.call("double", 1)).rejects.toMatchObject({ code: "protocol-version" });
    port1.close();
  });
});

describe("what cannot be understood", () => {
  const bad = { name: "RemoteError", code: "bad-message" };

  test.each([
    { type: "call", method: "steps", params: "three" },
    { type: "call", method: "next", params: undefined },
    { type: "call", method: "release", params: { handle: {} } },
    { type: "call", method: { name: "steps" }, params: 1 },
    { type: "call", params: 1 },
    { type: "future" },
    {},
  ])("is answered by the host as such: %j", async (content) => {
    for (const id of [-1, undefined, "x"]) {
      const answer = new Promise((resolve) => channel.port2.once("message", resolve));
      channel.port2.postMessage({ masklet: protocolVersion, id, ...content });
      expect(await answer).toMatchObject({ type: "error", error: { class: "RemoteError", code: "bad-message" } });
    }
  });

  test("of two calls with one id is the second", async () => {
    const hang = { masklet: protocolVersion, type: "call", id: -1, method: "hang" };
    const answer = new Promise((resolve) => channel.port2.once("message", resolve));
    channel.port2.postMessage(hang);
    channel.port2.postMessage(hang);
    expect(await answer).toMatchObject({ type: "error", id: -1, error: { code: "bad-message" } });
    channel.port2.postMessage({ masklet: protocolVersion, type: "abort", id: -1, reason: "no such thing" });
  });

  /** A client whose host answers each call with that. */
  const answeredBy = (content: object): Caller<Toy> => {
    const { port1, port2 } = new MessageChannel();
    port1.once("message", ({ id }: { id: number }) => {
      port1.postMessage({ masklet: protocolVersion, id, ...content });
      port1.close();
    });
    return new Caller(port2, toy);
  };

  test.each([
    { type: "result" },
    { type: "result", value: { handle: "1" } },
    { type: "event", value: 1 },
    { type: "error" },
    { type: "error", error: { kind: "error", message: 7 } },
    { type: "error", error: { kind: "error", class: "StateError", name: "x", message: "x", details: 3 } },
    { type: "lost", error: null },
    { type: "future" },
    {},
  ])("of what a host sends rejects the call: %j", async (content) => {
    await expect(answeredBy(content).call("count", 1)).rejects.toMatchObject(bad);
  });

  test("an event of another kind rejects its call", async () => {
    await expect(answeredBy({ type: "event", value: "one" }).call("steps", 1)).rejects.toMatchObject(bad);
  });

  test("an error that is its own cause has an end", async () => {
    const error: Record<string, unknown> = { kind: "error", class: "Error", name: "Error", message: "round" };
    error["cause"] = error;
    await expect(answeredBy({ type: "error", error }).call("count", 1)).rejects.toThrow("round");
  });
});

test("a port that takes no more messages does not keep the host from freeing what it holds", async () => {
  let receive: (data: unknown) => void = () => {};
  let lose: (value: unknown) => void = () => {};
  const broken = serveToy({
    postMessage: () => {
      throw new Error("the port is closed");
    },
    on: (event, listener) => {
      if (event === "message") receive = listener;
      if (event === "close") lose = listener;
    },
    off: () => {},
  });
  receive({ masklet: protocolVersion, type: "call", id: 1, method: "hang" });
  receive({ masklet: protocolVersion, type: "call", id: 2, method: "count", params: 3 });
  await settled();
  expect(broken.live).toBe(2);
  lose(undefined);
  await broken.dispose();
  expect([broken.live, reasons.length]).toEqual([0, 1]);
});

test("other messages on the port are left alone, and late answers too", async () => {
  for (const stranger of [null, "hello", { type: "call", id: 1 }, { masklet: "x" }, [1]]) {
    channel.port2.postMessage(stranger);
    channel.port1.postMessage(stranger);
  }
  channel.port1.postMessage({ masklet: protocolVersion, type: "result", id: 12345, value: 0 });
  channel.port2.postMessage({
    masklet: protocolVersion,
    type: "abort",
    id: 12345,
    reason: { kind: "value", value: 0 },
  });
  expect(await client.call("double", 2)).toBe(4);
});
