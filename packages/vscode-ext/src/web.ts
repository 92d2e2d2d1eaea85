/** Where VS Code's host is a worker of a browser. */
import type { ExtensionContext } from "vscode";
import { activate as start } from "./activate.ts";

export function activate(context: ExtensionContext): void {
  start(context, { kind: "web" });
}
