/** Models in workers, and what the site's editors have in common. */
import { nanoModel } from "@masklet/model-nano";
import nanoConfig from "@masklet/model-nano/sam2.1_hiera_nano.json";

/** The model that comes with the site, and its config, for `parseConfig`. */
export const nano: { readonly url: string; readonly config: unknown } = {
  url: nanoModel.checkpoint.href,
  config: nanoConfig,
};

export const startWorker = (): Worker => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });

/** Has an editor follow the site's theme. */
export function followTheme(editor: Element): void {
  const root = document.documentElement;
  const follow = (): void => editor.setAttribute("theme", root.dataset["theme"] ?? "light");
  new MutationObserver(follow).observe(root, { attributeFilter: ["data-theme"] });
  follow();
}

/** For a visitor: without the name of the call, which messages begin with. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message.replace(/^[a-z]\w*: /, "") : String(error);

/** Has the service worker keep nano, once it runs here: from then on the site needs no network. */
export function keepModel(): void {
  void navigator.serviceWorker?.ready.then(({ active }) => active?.postMessage("keep-model"));
}
