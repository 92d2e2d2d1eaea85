/** The built UI in Chromium, in a page that stands for Figma's, in each shape of frame that Figma has or had. */
import { createServer, type Server } from "node:http";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { type Browser, type BrowserContext, type Frame, type Page, chromium as playwright } from "playwright";
import type { FakeFigma } from "./fake/figma.ts";

/** How the UI's page lies in Figma's: all but the last have no origin. */
export const shapes = ["srcdoc-in-data", "data", "sandboxed-srcdoc", "hosted"] as const;
export type Shape = (typeof shapes)[number];

/** Figma's page: puts the UI where the shape says, and passes messages on. */
const around = `<!doctype html><link rel="icon" href="data:,"><style>html,body,iframe{margin:0;border:0;width:100%;height:100%;display:block}</style><script>
  const base64 = (bytes) => {
    const parts = [];
    // A multiple of three, so that the parts can be joined.
    for (let at = 0; at < bytes.length; at += 30000) parts.push(btoa(String.fromCharCode(...bytes.subarray(at, at + 30000))));
    return parts.join("");
  };
  const pack = (value) => value instanceof Uint8Array ? { $bytes: base64(value) }
    : Array.isArray(value) ? value.map(pack)
    : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, pack(one)])) : value;
  const unpack = (value) => value && value.$bytes !== undefined ? Uint8Array.from(atob(value.$bytes), (letter) => letter.charCodeAt(0))
    : Array.isArray(value) ? value.map(unpack)
    : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, unpack(one)])) : value;
  const relay = "<!doctype html><style>html,body,iframe{margin:0;border:0;width:100%;height:100%;display:block}</style><script>let inner; addEventListener('message', ({ data, source }) => {"
    + "if (source !== parent) parent.postMessage(data, '*');"
    + "else if (data.html) { inner = document.createElement('iframe'); inner.srcdoc = data.html; document.body.append(inner); }"
    + "else inner.contentWindow.postMessage(data, '*'); }); <\\/script><body></body>";
  // Chromium opens no data: address of more than two megabytes: the page comes by message, and writes itself.
  const writes = "<!doctype html><script>addEventListener('message', ({ data }) => { document.open(); document.write(data); document.close(); }, { once: true }); <\\/script>";
  let frame;
  addEventListener("message", ({ data }) => window.toFigma(pack(data.pluginMessage)));
  window.toUi = (message) => frame.contentWindow.postMessage({ pluginMessage: unpack(message) }, "*");
  // Figma has the text before it opens a window.
  let html = "";
  window.fetchUi = async () => { html = await (await fetch("/ui.html")).text(); };
  window.openUi = ({ shape, allow }) => {
    frame = document.createElement("iframe");
    if (shape === "sandboxed-srcdoc") { frame.sandbox = "allow-scripts allow-downloads"; frame.srcdoc = html; }
    else if (shape === "data") { frame.src = "data:text/html;charset=utf-8," + encodeURIComponent(writes); frame.onload = () => { frame.onload = null; frame.contentWindow.postMessage(html, "*"); }; }
    else if (shape === "hosted") frame.src = "/ui.html";
    else { frame.src = "data:text/html;charset=utf-8," + encodeURIComponent(relay); frame.onload = () => frame.contentWindow.postMessage({ html }, "*"); }
    frame.allow = allow;
    document.body.append(frame);
  };
</script><body></body>`;

const pack = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(pack);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, pack(one)]));
};
const unpack = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(unpack);
  if (typeof value !== "object" || value === null) return value;
  if ("$bytes" in value) return new Uint8Array(Buffer.from(String(value.$bytes), "base64"));
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, unpack(one)]));
};

export interface Host {
  readonly context: BrowserContext;
  /** What the page asked the network for. */
  readonly asked: string[];
  open(figma: FakeFigma, shape: Shape, options?: OpenOptions): Promise<Opened>;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Default 880 x 640. */
  readonly size?: { readonly width: number; readonly height: number };
  /** The frame's `allow`: what Figma's page delegates to it. Default nothing beyond what every frame has. */
  readonly allow?: string;
}

export interface Opened {
  readonly page: Page;
  readonly frame: Frame;
  /** What the console said and nobody caught. */
  readonly said: string[];
  /** When Figma's page, which was there before, began to open the window: as `performance.now()` of this process. */
  readonly began: number;
}

export interface HostOptions {
  /** The built UI, given the address of the hosted engine. */
  readonly html: string | ((engine: string) => string);
  readonly executablePath: string;
  /** The hosted engine's files, served from an origin of their own. */
  readonly engine?: Readonly<Record<string, Uint8Array>>;
}

const engineTypes: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript",
  mjs: "text/javascript",
  wasm: "application/wasm",
};

export async function createHost({ html, executablePath, engine = {} }: HostOptions): Promise<Host> {
  const asked: string[] = [];
  const engineServer: Server = createServer(({ url = "" }, response) => {
    asked.push(`engine:${url}`);
    const name = url === "/" ? "index.html" : url.slice(1);
    const content = engine[name];
    if (content === undefined) response.writeHead(404);
    else response.setHeader("Content-Type", engineTypes[name.split(".").at(-1) ?? ""] ?? "text/plain");
    response.end(content);
  });
  // Another site than Figma's page, as it will be: only then is the engine's page a secure context below one that is none.
  const engineAddress = await listen(engineServer, "localhost");
  const ui = typeof html === "string" ? html : html(engineAddress);
  const server: Server = createServer(({ url = "" }, response) => {
    asked.push(url);
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    // What the manifest's networkAccess comes to: nothing, or the engine's page.
    const policy = `connect-src data: blob:; img-src data: blob:; frame-src ${engineAddress}`;
    if (url === "/ui.html") response.setHeader("Content-Security-Policy", policy);
    response.end(url === "/ui.html" ? ui : around);
  });
  const address = await listen(server);
  // Chromium's sandbox does not start as root, as in a container.
  const args = [
    ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    // Pages of no origin may ask for what is on this machine: here the engine is.
    "--disable-features=LocalNetworkAccessChecks",
  ];
  const browser: Browser = await playwright.launch({ executablePath, args });
  // One for all windows, as for one person: what the engine keeps is there the next day.
  const context = await browser.newContext();
  return {
    asked,
    context,
    open: async (figma, shape, { size = { width: 880, height: 640 }, allow = "" } = {}) => {
      const page = await context.newPage();
      await page.setViewportSize(size);
      const said: string[] = [];
      page.on("console", (message) => said.push(message.text()));
      page.on("pageerror", (error) => said.push(String(error)));
      await page.exposeFunction("toFigma", (message: unknown) => figma.send(unpack(message)));
      await page.goto(address);
      figma.loadUi((message) => {
        void page
          .evaluate((sent) => (globalThis as unknown as { toUi(sent: unknown): void }).toUi(sent), pack(message))
          .catch(() => undefined);
      });
      await page.evaluate(() => (globalThis as unknown as { fetchUi(): Promise<void> }).fetchUi());
      const began = performance.now();
      await page.evaluate((given) => (globalThis as unknown as { openUi(given: object): void }).openUi(given), {
        shape,
        allow,
      });
      const depth = shape === "srcdoc-in-data" ? 2 : 1;
      const deepest = (): Frame | undefined => {
        let at: Frame | undefined = page.mainFrame();
        for (let i = 0; i < depth; i++) at = at?.childFrames()[0];
        return at;
      };
      for (let i = 0; i < 600 && deepest() === undefined; i++) await new Promise((resolve) => setTimeout(resolve, 50));
      const frame = deepest();
      if (frame === undefined) throw new Error(`${shape}: there is no frame`);
      return { page, frame, said, began };
    },
    close: async () => {
      await browser.close();
      server.close();
      engineServer.close();
    },
  };
}

async function listen(server: Server, host = "127.0.0.1"): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const bound = server.address();
  return `http://${host}:${typeof bound === "object" ? bound?.port : ""}/`;
}
