/**
 * The hosted engine: a page without anything to see, in a frame of the plugin's window. Unlike that window it has an
 * origin, and so WebGPU and storage. It computes; pictures come over a port and go nowhere: the page's policy lets it
 * fetch from its own site and from where the models are published, and from nowhere else.
 */

import { availableDevices } from "@masklet/backend-ort/web";
import { type PresetName, presetParameters } from "@masklet/core";
import { cachedModels, forgetModel } from "@masklet/core/web";
import {
  type EngineState,
  engineVersion,
  keptAddress,
  keptCache,
  readToEngine,
  type ToEngine,
  type ToPlugin,
} from "./protocol.ts";

const offered: readonly PresetName[] = [
  "sam2.1-hiera-tiny",
  "sam2.1-hiera-small",
  "sam2.1-hiera-base-plus",
  "sam2.1-hiera-large",
];

// In a sandboxed frame there is no storage either: then the plugin hears nothing, and does without.
if (isSecureContext && self.origin !== "null") serve();

/** Without an own origin as target: a plugin's window has none. Nothing that is said here is a secret. */
function say(message: ToPlugin): void {
  parent.postMessage(message, "*");
}

async function stateNow(): Promise<EngineState> {
  const [devices, cached] = [await availableDevices(), await cachedModels()];
  const cache = await caches.open(keptCache);
  const kept = await Promise.all(
    (await cache.keys()).map(async (request) => ({
      name: decodeURIComponent(new URL(request.url).pathname.slice("/kept/".length)),
      bytes: (await (await cache.match(request))?.blob())?.size ?? 0,
    })),
  );
  return {
    device: devices[0] === "webgpu" ? "webgpu" : "wasm",
    // In float32, as they were published.
    models: offered.map((name) => ({ name, bytes: 4 * presetParameters(name), cached: cached.includes(name) })),
    kept,
  };
}

async function sayState(): Promise<void> {
  say({ maskletEngine: engineVersion, state: await stateNow() });
}

async function answer(request: ToEngine & { readonly method: "keep" | "forget" }): Promise<void> {
  const cache = await caches.open(keptCache);
  if (request.method === "keep") {
    await cache.put(keptAddress(request.name), new Response(request.file));
    await navigator.storage.persist().catch(() => false);
  } else if (!(await cache.delete(keptAddress(request.name)))) {
    const model = offered.find((name) => name === request.name);
    if (model !== undefined) await forgetModel(model);
  }
  await sayState();
}

function serve(): void {
  // The worker inherits the page's policy where it starts from a blob, and has none where it starts from an address.
  const address = new URL("worker.js", location.href).href;
  const start = new Blob([`import ${JSON.stringify(address)};`], { type: "text/javascript" });
  const worker = new Worker(URL.createObjectURL(start), { type: "module" });
  addEventListener("message", ({ data, source, ports: [port] }) => {
    const request = source === parent ? readToEngine(data) : undefined;
    if (request === undefined) return;
    const done = (error?: string): void =>
      say({ maskletEngine: engineVersion, id: request.id, ...(error !== undefined && { error }) });
    if (request.method === "connect") {
      if (port !== undefined) worker.postMessage({ port }, [port]);
      done();
      return;
    }
    answer(request).then(
      () => done(),
      (error: unknown) => done(error instanceof Error ? error.message : String(error)),
    );
  });
  // It has started, or a model that was fetched is there from now on. A worker that does not start says nothing, and so
  // does this page: the plugin does without.
  worker.addEventListener("message", () => void sayState());
}
