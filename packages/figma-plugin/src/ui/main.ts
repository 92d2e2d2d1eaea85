/** The script of `ui.html`. */
import { App } from "./app.ts";
import { createEngine } from "./engine.ts";

const root = document.createElement("div");
root.style.display = "contents";
document.body.append(root);
void new App({ root, parent: window.parent, engine: createEngine() }).start();
