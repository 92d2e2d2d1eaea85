/** Where VS Code's host is a worker of a browser: no processes, and files as VS Code's own file system has them. */
import type { ExtensionContext } from "vscode";
import { activate as start } from "./activate.ts";
import { fileSystem } from "./storage.ts";

export function activate(context: ExtensionContext): void {
  start(context, { kind: "web", files: fileSystem });
}
