/** What the extension does once VS Code wants it: the same on a desktop, on a server and in a browser. */
import type { ExtensionContext } from "vscode";

/** What differs between the places in which the extension runs. */
export interface Place {
  readonly kind: "node" | "web";
}

export function activate(_context: ExtensionContext, _place: Place): void {}
