/**
 * A real workbench for tests: code-server, which is VS Code's own workbench and hosts, with the packed extension installed, in
 * Chromium. `tools/code-server.mjs` puts it into .cache; without it these tests say that they were skipped.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Frame, type Locator, type Page } from "playwright";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** The script that starts code-server; `undefined` where it is not installed. */
export function codeServer(): string | undefined {
  const folder = process.env["MASKLET_CODE_SERVER"] ?? join(root, ".cache", "code-server");
  const script = join(folder, "node_modules", "code-server", "out", "node", "entry.js");
  return existsSync(script) ? script : undefined;
}

export interface WorkbenchOptions {
  readonly vsix: string;
  readonly executable: string;
  /** Of the user, over those that tests need. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Settings that tests need: nothing saves by itself, nothing is in the way. */
const quiet = {
  "files.autoSave": "off",
  "security.workspace.trust.enabled": false,
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "telemetry.telemetryLevel": "off",
  "workbench.editorAssociations": { "*.{png,jpg}": "masklet.image", "*.webm": "masklet.video" },
  "chat.disableAIFeatures": true,
};

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });

/** Processes below another one, those whose command has a word in it (Linux). */
function below(root: number, word: string): readonly number[] {
  const parents = new Map<number, number>();
  const found: number[] = [];
  for (const name of readdirSync("/proc").filter((one) => /^\d+$/.test(one))) {
    try {
      parents.set(Number(name), Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]));
      if (readFileSync(`/proc/${name}/cmdline`, "utf8").includes(word)) found.push(Number(name));
    } catch {
      // It has ended meanwhile.
    }
  }
  return found.filter((pid) => {
    let above: number | undefined = pid;
    while (above !== undefined && above !== root) above = parents.get(above);
    return above !== undefined;
  });
}

/** Of a picture's page: whether it shows one. */
const hasImage = `(document.querySelector("masklet-editor")?.image ?? null) !== null`;

export class Workbench {
  readonly #server: ChildProcess;
  readonly #browser: Browser;
  readonly #port: number;
  readonly #settings: Readonly<Record<string, unknown>>;
  /** A folder of its own, gone with the workbench. */
  readonly folder: string;
  context: BrowserContext;
  page: Page;

  private constructor(
    server: ChildProcess,
    browser: Browser,
    context: BrowserContext,
    page: Page,
    port: number,
    folder: string,
    settings: Readonly<Record<string, unknown>>,
  ) {
    this.#settings = settings;
    this.#server = server;
    this.#browser = browser;
    this.#port = port;
    this.context = context;
    this.page = page;
    this.folder = folder;
  }

  static async start({ vsix, executable, settings = {} }: WorkbenchOptions): Promise<Workbench> {
    const script = codeServer() ?? "";
    const folder = mkdtempSync(join(tmpdir(), "masklet-workbench-"));
    const [data, extensions] = [join(folder, "data"), join(folder, "extensions")];
    mkdirSync(join(data, "User"), { recursive: true });
    const all = { ...quiet, ...settings };
    writeFileSync(join(data, "User", "settings.json"), JSON.stringify(all));
    const config = join(folder, "config.yaml");
    writeFileSync(config, "");
    const base = [script, "--config", config, "--user-data-dir", data, "--extensions-dir", extensions];
    execFileSync(process.execPath, [...base, "--install-extension", vsix], { stdio: "ignore" });
    const port = await freePort();
    const server = spawn(
      process.execPath,
      [...base, "--auth", "none", "--bind-addr", `127.0.0.1:${port}`, "--disable-telemetry", "--disable-update-check"],
      { stdio: "ignore" },
    );
    for (let tries = 0; ; tries++) {
      const isUp = await fetch(`http://127.0.0.1:${port}/healthz`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isUp) break;
      if (tries > 200) throw new Error("code-server did not start in 40 s");
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const browser = await chromium.launch({
      executablePath: executable,
      args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    });
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    return new Workbench(server, browser, context, page, port, folder, all);
  }

  /** Settings of the user over those that it began with, in a window that is loaded anew: it does not watch their file. */
  async set(settings: Readonly<Record<string, unknown>>): Promise<void> {
    const file = join(this.folder, "data", "User", "settings.json");
    writeFileSync(file, JSON.stringify({ ...this.#settings, ...settings }));
    await this.reload();
  }

  /** Opens a folder, and waits for the workbench. */
  async open(folder: string): Promise<void> {
    await this.page.goto(`http://127.0.0.1:${this.#port}/?folder=${encodeURIComponent(folder)}`);
    await this.page.locator(".monaco-workbench .part.statusbar").waitFor();
    await this.page.locator(".explorer-folders-view .monaco-list-row").first().waitFor();
  }

  /** What the extension's backups hold now; one that is being written may be a part of itself. */
  backups(): readonly string[] {
    const storage = join(this.folder, "data", "User", "workspaceStorage");
    return readdirSync(storage, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /masklet\.masklet$/.test(entry.parentPath))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.page.locator(".monaco-workbench .part.statusbar").waitFor();
  }

  /** Opens a box by a key, once that of the command before is gone, and clicks on the first row that begins with `label`. */
  async #choose(key: string, text: string, label: string): Promise<void> {
    const input = this.page.locator(".quick-input-widget input[type=text]").first();
    await input.waitFor({ state: "hidden" });
    for (let tries = 9; ; tries--) {
      // A page that goes away takes keys with it, and one that comes takes the focus, with which the box goes.
      await this.page.keyboard.press(key);
      try {
        await input.fill(text, { timeout: 3000 });
        await this.page
          .locator(`.quick-input-list .monaco-list-row[aria-label^="${label}"]`)
          .first()
          .click({ timeout: 10_000 });
        return;
      } catch (error) {
        if (tries === 0) throw error;
      }
    }
  }

  /** Runs a command of the palette by its title: the best match is not always the one that is meant. */
  async command(title: string): Promise<void> {
    await this.#choose("F1", `>${title}`, title);
  }

  /** Takes another colour theme, through the quick pick as a person does. */
  async theme(label: string): Promise<void> {
    await this.command("Preferences: Color Theme");
    await this.page.locator(".quick-input-list .monaco-list-row", { hasText: "Dark 2026" }).first().waitFor();
    await this.page.keyboard.type(label);
    await this.page.locator(".quick-input-list .monaco-list-row.focused", { hasText: label }).waitFor();
    await this.page.keyboard.press("Enter");
  }

  /** Opens a file by its name, through the quick pick as a person does. */
  async quickOpen(name: string): Promise<void> {
    // The first row is another one, until what was opened lately has been filtered.
    await this.#choose("Control+P", name, name);
  }

  /** Opens a picture by its name. */
  async file(name: string): Promise<Frame> {
    await this.quickOpen(name);
    return this.frame(`document.title === ${JSON.stringify(name)} && ${hasImage}`); // not the one that was there before
  }

  /** Chooses from the menu of a file or folder in the explorer. */
  async explorerMenu(name: string, title: string): Promise<void> {
    const row = this.page.locator(".explorer-folders-view .monaco-list-row", { hasText: name });
    const item = this.page.getByRole("menuitem", { name: title });
    // What extensions have for it comes some seconds after the workbench.
    for (let tries = 0; tries < 30; tries++) {
      await row.first().click({ button: "right" });
      await this.page.getByRole("menuitem").first().waitFor();
      if (await item.isVisible()) return this.#press(item);
      await this.page.keyboard.press("Escape");
      await this.page.waitForTimeout(1000);
    }
    throw new Error(`the menu of ${name} has no ${title}`);
  }

  /** Chooses from a menu, which takes no click in its first moment. */
  async #press(item: Locator): Promise<void> {
    await item.click();
    for (let tries = 0; tries < 20 && (await item.isVisible()); tries++) {
      await this.page.waitForTimeout(100);
      await item.click({ timeout: 1000 }).catch(() => undefined); // it has gone meanwhile
    }
  }

  /** The page of the video that is shown, once a tracker is there. */
  video(): Promise<Frame> {
    const tracking = `document.querySelector("masklet-video-editor")?.session?.tracking`;
    return this.frame(`(${tracking} ?? null) !== null`, 0, 60);
  }

  /** The visible page of which `condition`, an expression, is true: the n-th, in the order of the editors. */
  async frame(condition: string, index = 0, seconds = 30): Promise<Frame> {
    const isIt = `document.visibilityState === "visible" && (${condition})`;
    for (const end = Date.now() + 1000 * seconds; Date.now() < end; ) {
      const found: Frame[] = [];
      for (const frame of this.page.frames()) {
        if (await frame.evaluate<boolean>(isIt).catch(() => false)) found.push(frame);
      }
      const frame = found[index];
      if (frame !== undefined) return frame;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no page after ${seconds} s: ${condition}`);
  }

  /** The page of a picture that is shown: the n-th, in the order of the editors. */
  image(index = 0): Promise<Frame> {
    return this.frame(hasImage, index);
  }

  /** The most that the extension's host has had in memory, in bytes (Linux). */
  hostPeak(): number {
    // The host of a window that was loaded anew may still be ending.
    const host = Math.max(...below(this.#server.pid ?? 0, "--type=extensionHost"));
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${host}/status`, "utf8")) ?? [];
    return 1024 * Number(kilobytes);
  }

  /** What the pages have in memory now, in bytes, with all that Chromium has for them (Linux). */
  pagesMemory(): number {
    const kilobytes = below(process.pid, "--type=renderer").map((pid) =>
      Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]),
    );
    return 1024 * kilobytes.reduce((a, b) => a + b, 0);
  }

  /** Opens a file or folder of the explorer as a dataset, by its context menu; resolves with the gallery. */
  async dataset(name: string, seconds = 30): Promise<Frame> {
    const row = this.page.locator(".explorer-folders-view .monaco-list-row", { hasText: name }).first();
    await row.click({ button: "right" });
    await this.#press(this.page.getByRole("menuitem", { name: "Open Dataset" }));
    return this.frame(
      `document.querySelector("output.summary")?.textContent?.includes("pictures") === true`,
      0,
      seconds,
    );
  }

  /** Whether the active tab has unsaved work. */
  async isDirty(): Promise<boolean> {
    return (await this.page.locator(".tab.active.dirty").count()) > 0;
  }

  async close(): Promise<void> {
    await this.#browser.close();
    this.#server.kill();
    await new Promise((resolve) => setTimeout(resolve, 300));
    rmSync(this.folder, { recursive: true, force: true });
  }
}
