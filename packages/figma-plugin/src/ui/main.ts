/** The script of `ui.html`. */
import { App } from "./app.ts";
import { Engine } from "./engine.ts";

const root = document.createElement("div");
root.style.display = "contents";
document.body.append(root);
// The build names it where there is one.
const hosted = document.querySelector<HTMLMetaElement>('meta[name="masklet-engine"]')?.content;
const engine = new Engine(hosted === undefined ? {} : { hosted });
void new App({ root, parent: window.parent, engine }).start();
