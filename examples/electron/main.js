import { readFile, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, normalize, sep } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { app, BrowserWindow, dialog, ipcMain, protocol } from "electron";

const root = dirname(fileURLToPath(import.meta.url));
const isolation = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const types = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

// `file:` has no Cache Storage and no threads: the page gets an origin of its own.
protocol.registerSchemesAsPrivileged([
  { scheme: "app", privileges: { standard: true, secure: true, supportFetchAPI: true } },
]);

/** A file of this folder, and of no other. @param {Request} request */
export async function answer(request) {
  const path = join(root, normalize(decodeURIComponent(new URL(request.url).pathname)));
  if (!path.startsWith(root + sep)) return new Response(null, { status: 403 });
  try {
    const headers = { ...isolation, "Content-Type": types[extname(path)] ?? "application/octet-stream" };
    return new Response(await readFile(path), { headers });
  } catch {
    return new Response(null, { status: 404 });
  }
}

app.whenReady().then(() => {
  protocol.handle("app", answer);
  ipcMain.handle("open", async () => {
    const { filePaths } = await dialog.showOpenDialog({
      filters: [{ name: "Pictures", extensions: ["jpg", "png", "webp"] }],
    });
    const [path] = filePaths;
    return path === undefined ? undefined : { name: basename(path), bytes: await readFile(path) };
  });
  ipcMain.handle("save", async (_, name, bytes) => {
    const { filePath } = await dialog.showSaveDialog({ defaultPath: name });
    if (filePath !== "") await writeFile(filePath, bytes);
  });
  const window = new BrowserWindow({
    width: 1200,
    height: 800,
    webPreferences: { preload: join(root, "preload.cjs") },
  });
  window.loadURL("app://masklet/index.html");
});
app.on("window-all-closed", () => {
  if (process.platform !== "darwin") app.quit();
});
