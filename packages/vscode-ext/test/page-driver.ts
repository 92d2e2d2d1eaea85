/**
 * Pages of the extension in Chromium, in front of its real host: html and policy are the host's, and messages go between the
 * two as VS Code carries them. Addresses of webviews are answered from the disk.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { extname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type Browser, type Page, chromium as playwright } from "playwright";
import { expect } from "vitest";
import { chromium } from "../../../tools/host.mjs";
import { readingVideos } from "../bundle.mjs";
import type { FakePanel } from "./fake/vscode.ts";

export type Theme = "dark" | "light" | "hc";

/** VS Code's own colours, as it gives them to pages. */
const themes: Readonly<Record<Theme, Readonly<Record<string, string>>>> = {
  dark: {
    "editor-background": "#1f1f1f",
    "editor-foreground": "#cccccc",
    foreground: "#cccccc",
    focusBorder: "#0078d4",
    "input-background": "#313131",
    "input-foreground": "#cccccc",
    "input-border": "#3c3c3c",
    "input-placeholderForeground": "#989898",
    "button-secondaryBackground": "#313131",
    "button-secondaryForeground": "#cccccc",
    "button-background": "#0078d4",
    "button-foreground": "#ffffff",
    "list-activeSelectionBackground": "#04395e",
    "list-activeSelectionForeground": "#ffffff",
    "charts-blue": "#3794ff",
    "charts-orange": "#d18616",
    "charts-green": "#89d185",
  },
  light: {
    "editor-background": "#ffffff",
    "editor-foreground": "#3b3b3b",
    foreground: "#3b3b3b",
    focusBorder: "#005fb8",
    "input-background": "#ffffff",
    "input-foreground": "#3b3b3b",
    "input-border": "#cecece",
    "input-placeholderForeground": "#767676",
    "button-secondaryBackground": "#e5e5e5",
    "button-secondaryForeground": "#3b3b3b",
    "button-background": "#005fb8",
    "button-foreground": "#ffffff",
    "list-activeSelectionBackground": "#e8e8e8",
    "list-activeSelectionForeground": "#000000",
    "charts-blue": "#1a85ff",
    "charts-orange": "#d18616",
    "charts-green": "#388a34",
  },
  hc: {
    "editor-background": "#000000",
    "editor-foreground": "#ffffff",
    foreground: "#ffffff",
    focusBorder: "#f38518",
    contrastBorder: "#6fc3df",
    contrastActiveBorder: "#f38518",
    "input-background": "#000000",
    "input-foreground": "#ffffff",
    "input-placeholderForeground": "#ffffff",
    "button-background": "#000000",
    "button-foreground": "#ffffff",
    "list-activeSelectionBackground": "#000000",
    "list-activeSelectionForeground": "#ffffff",
  },
};

/** Builds pages as the extension has them, into `out`. */
export async function buildPages(out: string, pages: readonly string[]): Promise<void> {
  const at = fileURLToPath(new URL("../src/webview", import.meta.url));
  await build({
    entryPoints: pages.flatMap((page) => [
      { in: join(at, page, "main.ts"), out: page },
      { in: join(at, page, "style.css"), out: page },
    ]),
    outdir: join(out, "webview"),
    bundle: true,
    format: "iife",
    conditions: ["@masklet/source"],
    logLevel: "warning",
    plugins: [readingVideos],
  });
}

export async function launch(): Promise<Browser> {
  return playwright.launch({
    executablePath: chromium() ?? "chromium",
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
}

/** What Playwright carries is JSON: buffers go as base64. */
const packed = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) =>
    one instanceof ArrayBuffer ? { $buffer: Buffer.from(one).toString("base64") } : one,
  );

function unpacked(text: string): unknown {
  return JSON.parse(text, (_, one: unknown) => {
    const buffer = typeof one === "object" && one !== null && "$buffer" in one ? one.$buffer : undefined;
    return typeof buffer === "string" ? new Uint8Array(Buffer.from(buffer, "base64")).buffer : one;
  });
}

const contentTypes: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".jpg": "image/jpeg",
  ".png": "image/png",
  ".webm": "video/webm",
};

/** Opens a panel's page. `violations` fills with what its policy refused, and what went wrong in it. */
export async function openPage(browser: Browser, panel: FakePanel, violations: string[]): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.on("console", (message) => {
    if (message.type() === "error") violations.push(message.text());
  });
  page.on("pageerror", (error) => violations.push(error.message));
  await page.exposeFunction("toHost", (text: string) => panel.webview.received.fire(unpacked(text)));
  await page.addInitScript(() => {
    let kept: unknown;
    const coded = (value: unknown): string =>
      JSON.stringify(value, (_, one: unknown) => {
        if (!(one instanceof ArrayBuffer)) return one;
        let text = "";
        for (const byte of new Uint8Array(one)) text += String.fromCharCode(byte);
        return { $buffer: btoa(text) };
      });
    const own = globalThis as unknown as Record<string, unknown>;
    own["acquireVsCodeApi"] = () => ({
      postMessage: (message: unknown) => void (own["toHost"] as (text: string) => void)(coded(message)),
      getState: () => kept,
      setState: (state: unknown) => {
        kept = state;
      },
    });
    own["fromHost"] = (text: string) => {
      const message: unknown = JSON.parse(text, (_, one: unknown) => {
        const buffer = typeof one === "object" && one !== null && "$buffer" in one ? one.$buffer : undefined;
        return typeof buffer === "string"
          ? Uint8Array.from(atob(buffer), (letter) => letter.charCodeAt(0)).buffer
          : one;
      });
      dispatchEvent(new MessageEvent("message", { data: message }));
    };
  });
  await page.route("**/*", async (route) => {
    const { hostname, pathname } = new URL(route.request().url());
    if (hostname === "page.vscode-cdn.net")
      return route.fulfill({ body: panel.webview.html, contentType: "text/html" });
    const body = await readFile(decodeURIComponent(pathname));
    const contentType = contentTypes[extname(pathname)] ?? "text/javascript";
    // As VS Code's service worker answers: parts too, for every origin.
    const headers = { "access-control-allow-origin": "*", "accept-ranges": "bytes" };
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(route.request().headers()["range"] ?? "") ?? [];
    if (from === undefined) return route.fulfill({ body, contentType, headers });
    const part = body.subarray(Number(from), to === "" ? undefined : Number(to) + 1);
    const range = `bytes ${from}-${Number(from) + part.length - 1}/${body.length}`;
    return route.fulfill({ status: 206, body: part, contentType, headers: { ...headers, "content-range": range } });
  });
  panel.webview.page = (message) =>
    void page
      .evaluate((text) => (globalThis as unknown as { fromHost(text: string): void }).fromHost(text), packed(message))
      .catch(() => undefined);
  await page.goto("https://page.vscode-cdn.net/");
  await setTheme(page, "dark");
  return page;
}

export async function setTheme(page: Page, theme: Theme): Promise<void> {
  await page.evaluate(
    ({ colours, name }) => {
      const { style } = document.documentElement;
      for (const property of [...style]) style.removeProperty(property);
      for (const [key, value] of Object.entries(colours)) style.setProperty(`--vscode-${key}`, value);
      style.setProperty("--vscode-font-size", "13px");
      style.setProperty("--vscode-font-family", "system-ui, sans-serif");
      document.body.className = name;
    },
    { colours: themes[theme], name: { dark: "vscode-dark", light: "vscode-light", hc: "vscode-high-contrast" }[theme] },
  );
}

const shots = process.env["MASKLET_SHOTS"];

/** axe finds nothing. */
export async function accessible(page: Page, violations: string[]): Promise<void> {
  const before = violations.length;
  await page.evaluate(readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8"));
  const found = await page.evaluate(async () => {
    const { violations: all } = await (
      globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> };
      }
    ).axe.run();
    return all.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
  });
  // axe itself tries inline styles.
  violations.splice(before);
  expect(found).toEqual([]);
}

/** In each theme axe finds nothing; a person who asks for pictures looks at them. */
export async function inAllThemes(page: Page, violations: string[], name: string): Promise<void> {
  for (const theme of ["dark", "light", "hc"] satisfies readonly Theme[]) {
    await setTheme(page, theme);
    if (shots !== undefined) await page.screenshot({ path: join(shots, `${name}-${theme}.png`) });
    await accessible(page, violations);
  }
  await setTheme(page, "dark");
}
