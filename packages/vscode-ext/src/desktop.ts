/** Where VS Code's host is Node: desktops and servers. */
import type { ExtensionContext } from "vscode";
import { activate as start } from "./activate.ts";

export function activate(context: ExtensionContext): void {
  start(context, { kind: "node" });
}
