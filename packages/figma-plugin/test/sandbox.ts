/**
 * Runs a built `code.js` in QuickJS, where nothing is but the language and Figma's globals. Objects of the fake stay
 * outside: the script gets proxies, plain data by value, and promises that are settled from outside.
 */
import variant from "@jitl/quickjs-wasmfile-release-sync";
import { newQuickJSWASMModuleFromVariant, type QuickJSContext } from "quickjs-emscripten-core";
import type { FakeFigma } from "./fake/figma.ts";

/** A value on its way: data, bytes, or the number of an object that stays on its side. */
type Wire =
  | { readonly data: unknown }
  | { readonly bytes: readonly number[] }
  | { readonly list: readonly Wire[] }
  | { readonly fields: Readonly<Record<string, Wire>> }
  | { readonly object: number; readonly callable: boolean }
  | { readonly promise: number }
  | { readonly callback: number }
  | { readonly nothing: true };

/** The script's side of the bridge. */
const inside = `(() => {
  const host = globalThis.__host;
  const settle = globalThis.__settle = { waiting: new Map(), callbacks: [] };
  delete globalThis.__host;
  const ask = (request) => {
    const answer = JSON.parse(host(JSON.stringify(request)));
    if ("thrown" in answer) throw new Error(answer.thrown);
    return read(answer.value);
  };
  const proxies = new Map();
  const numbers = new WeakMap();
  const write = (value) => {
    if (value === undefined) return { nothing: true };
    if (value instanceof Uint8Array) return { bytes: Array.from(value) };
    if (typeof value === "function" && !numbers.has(value)) return { callback: settle.callbacks.push(value) - 1 };
    if (value === null || (typeof value !== "object" && typeof value !== "function")) return { data: value };
    if (numbers.has(value)) return { object: numbers.get(value), callable: false };
    if (Array.isArray(value)) return { list: value.map(write) };
    return { fields: Object.fromEntries(Object.keys(value).map((key) => [key, write(value[key])])) };
  };
  const read = (wire) => {
    if ("nothing" in wire) return undefined;
    if ("data" in wire) return wire.data;
    if ("bytes" in wire) return Uint8Array.from(wire.bytes);
    if ("list" in wire) return Object.freeze(wire.list.map(read));
    if ("fields" in wire) return Object.freeze(Object.fromEntries(Object.entries(wire.fields).map(([key, one]) => [key, read(one)])));
    if ("promise" in wire) return new Promise((resolve, reject) => settle.waiting.set(wire.promise, { resolve, reject }));
    const { object, callable } = wire;
    let proxy = proxies.get(object);
    if (proxy === undefined) {
      proxy = new Proxy(callable ? function () {} : {}, {
        get: (_, key) => (typeof key === "symbol" ? undefined : ask({ get: object, key })),
        set: (_, key, value) => (ask({ set: object, key, value: write(value) }), true),
        has: (_, key) => (typeof key === "symbol" ? false : ask({ has: object, key })),
        apply: (_, self, args) => ask({ call: object, self: write(self), args: args.map(write) }),
      });
      proxies.set(object, proxy);
      numbers.set(proxy, object);
    }
    return proxy;
  };
  settle.settle = (promise, key, wire) => {
    const waiting = settle.waiting.get(promise);
    settle.waiting.delete(promise);
    waiting[key](key === "reject" ? new Error(read(wire)) : read(wire));
  };
  settle.call = (callback, args) => {
    const result = settle.callbacks[callback](...args.map(read));
    if (result instanceof Promise) result.catch((error) => ask({ failed: String(error && error.stack || error) }));
  };
  globalThis.figma = read({ object: 0, callable: false });
  globalThis.console = Object.freeze({ log() {}, error() {}, assert() {}, info() {}, warn() {}, clear() {} });
})()`;

export interface Sandbox {
  /** Errors that the script's callbacks did not handle. */
  readonly failures: readonly string[];
  /** Names of everything global that the language does not have. */
  readonly globals: readonly string[];
  dispose(): void;
}

export async function runInQuickJs(code: string, figma: FakeFigma): Promise<Sandbox> {
  const quickJs = await newQuickJSWASMModuleFromVariant(variant);
  const vm = quickJs.newContext();
  const evaluate = (source: string): unknown => {
    const result = vm.evalCode(source);
    const handle = vm.unwrapResult(result);
    const value: unknown = vm.dump(handle);
    handle.dispose();
    return value;
  };
  const native = evaluate("Object.getOwnPropertyNames(globalThis)") as readonly string[];
  const failures: string[] = [];
  bridge(vm, figma.api, failures);
  evaluate(inside);
  evaluate(`globalThis.__html__ = "<!doctype html>"`);
  const globals = (evaluate("Object.getOwnPropertyNames(globalThis)") as readonly string[]).filter(
    (name) => !native.includes(name) && !name.startsWith("__settle"),
  );
  evaluate(code);
  vm.runtime.executePendingJobs();
  return { failures, globals, dispose: () => vm.dispose() };
}

function bridge(vm: QuickJSContext, root: object, failures: string[]): void {
  const objects: object[] = [root];
  let promises = 0;
  let alive = true;

  const tell = (method: string, ...args: readonly unknown[]): void => {
    if (!alive || !vm.alive) return;
    const result = vm.evalCode(`__settle.${method}(${args.map((arg) => JSON.stringify(arg)).join(",")})`);
    if (result.error) {
      failures.push(JSON.stringify(vm.dump(result.error)));
      alive = false;
    }
    result.dispose();
    vm.runtime.executePendingJobs();
  };
  const isPlain = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype && !hasFunctions(value);
  const write = (value: unknown): Wire => {
    if (value === undefined) return { nothing: true };
    if (value instanceof Uint8Array) return { bytes: [...value] };
    if (typeof value === "symbol") return { data: String(value) };
    if (value === null || (typeof value !== "object" && typeof value !== "function")) return { data: value };
    if (value instanceof Promise) {
      const promise = promises++;
      value.then(
        (settled: unknown) => tell("settle", promise, "resolve", write(settled)),
        (error: unknown) =>
          tell("settle", promise, "reject", { data: error instanceof Error ? error.message : String(error) }),
      );
      return { promise };
    }
    if (Array.isArray(value)) return { list: value.map(write) };
    if (typeof value === "object" && isPlain(value)) {
      return { fields: Object.fromEntries(Object.entries(value).map(([key, one]) => [key, write(one)])) };
    }
    return { object: objects.push(value) - 1, callable: typeof value === "function" };
  };
  const read = (wire: Wire): unknown => {
    if ("nothing" in wire || "promise" in wire) return undefined;
    if ("data" in wire) return wire.data;
    if ("bytes" in wire) return Uint8Array.from(wire.bytes);
    if ("list" in wire) return wire.list.map(read);
    if ("fields" in wire) return Object.fromEntries(Object.entries(wire.fields).map(([key, one]) => [key, read(one)]));
    if ("callback" in wire) return (...args: readonly unknown[]) => tell("call", wire.callback, args.map(write));
    return objects[wire.object];
  };
  interface Asked {
    readonly get?: number;
    readonly set?: number;
    readonly has?: number;
    readonly call?: number;
    readonly key?: string;
    readonly value?: Wire;
    readonly self?: Wire;
    readonly args?: readonly Wire[];
    readonly failed?: string;
  }
  const answer = ({ get, set, has, call, key = "", value, self, args = [], failed }: Asked): unknown => {
    if (failed !== undefined) return void failures.push(failed);
    if (get !== undefined) return (objects[get] as Record<string, unknown>)[key];
    if (has !== undefined) return key in (objects[has] as object);
    if (set !== undefined) return void Reflect.set(objects[set] as object, key, read(value as Wire));
    return Reflect.apply(objects[call as number] as () => unknown, read(self as Wire), args.map(read));
  };
  const host = vm.newFunction("__host", (text) => {
    let reply: object;
    try {
      reply = { value: write(answer(JSON.parse(vm.getString(text)))) };
    } catch (error) {
      reply = { thrown: error instanceof Error ? error.message : String(error) };
    }
    return vm.newString(JSON.stringify(reply));
  });
  vm.setProp(vm.global, "__host", host);
  host.dispose();
}

function hasFunctions(value: object): boolean {
  return Object.values(Object.getOwnPropertyDescriptors(value)).some(
    (one) => one.get !== undefined || typeof one.value === "function",
  );
}
