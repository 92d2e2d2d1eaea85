/// <reference lib="webworker" />
// Keeps the site: after one visit it opens without a network. `offline.ts` puts `site` before this when the site is built.
// Models are not its business: they are in a cache of their own.

/** @type {{ version: string, files: readonly string[], model: readonly string[] }} */
const { version, files, model } = globalThis.site;
const scope = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));
const root = new URL("./", scope.location.href).href;
const prefix = `masklet-site ${new URL(root).pathname} `;
const open = () => caches.open(prefix + version);

/** Takes what an older version has already: names with hashes in them never change. @param {readonly string[]} paths */
async function keep(paths) {
  const cache = await open();
  for (const path of paths) {
    const url = root + path;
    if ((await cache.match(url)) !== undefined) continue;
    const old = path.startsWith("_astro/") ? await caches.match(url) : undefined;
    if (old === undefined) await cache.add(url);
    else await cache.put(url, old);
  }
}

/** @param {Request} request */
async function fromNetwork(request) {
  const response = await fetch(request);
  if (response.ok) await (await open()).put(request.url.split("#")[0] ?? root, response.clone());
  return response;
}

/** @param {Request} request */
async function answer(request) {
  const kept = await (await open()).match(request, { ignoreSearch: true });
  if (kept !== undefined && request.url.startsWith(`${root}_astro/`)) return isolated(kept);
  try {
    return isolated(await fromNetwork(request));
  } catch (error) {
    if (kept !== undefined) return isolated(kept);
    throw error;
  }
}

/**
 * With the headers that give a page threads, for hosts that cannot send them: from the second visit on.
 * @param {Response} response
 */
function isolated(response) {
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  const { status, statusText } = response;
  return new Response(status === 204 || status === 304 ? null : response.body, { status, statusText, headers });
}

scope.addEventListener("install", (event) => event.waitUntil(keep(files)));
scope.addEventListener("activate", (event) => {
  const old = async () => {
    const names = await caches.keys();
    await Promise.all(
      names.filter((name) => name.startsWith(prefix) && name !== prefix + version).map((name) => caches.delete(name)),
    );
    await scope.clients.claim();
  };
  event.waitUntil(old());
});
scope.addEventListener("message", (event) => {
  // A page whose model runs: it is to do so without a network, too.
  if (event.data === "keep-model") event.waitUntil(keep(model));
});
scope.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && request.url.startsWith(root) && !request.headers.has("range")) {
    event.respondWith(answer(request));
  }
});
