/** Which models there are: to choose, to fetch, to delete; and what is fetched from where. */
import { messageOf } from "./batch.ts";
import { h } from "./dom.ts";
import type { Engine, FinderFile } from "./engine.ts";

export interface ModelsOptions {
  readonly engine: Engine;
  /** A model is in use, by its published name, or "" for another. */
  readonly onModel: (name: string) => void;
  /** A finder is in use, or none; whether its file is kept by the hosted engine. */
  readonly onFinder: (finder: FinderFile | null) => void;
  readonly say: (text: string, kind?: "busy" | "error") => void;
}

/** Kinds of models of saliency, as `openSubjectFinder` names them, and what to call them. */
const kinds: readonly (readonly [string, string])[] = [
  ["u2net", "U²-Net, U²-Net-p, Silueta"],
  ["isnet", "IS-Net"],
  ["birefnet", "BiRefNet"],
  ["modnet", "MODNet"],
  ["rmbg-1.4", "RMBG 1.4 (not for commercial use)"],
  ["rmbg-2.0", "RMBG 2.0 (not for commercial use)"],
];

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}

/** A published model's name as people write it. */
export function titleOf(name: string): string {
  const [, version = "", size = ""] = /^sam(2(?:\.1)?)-hiera-(.*)$/.exec(name) ?? [];
  const words = size
    .split("-")
    .map((word) => (word === "plus" ? "+" : ` ${word.charAt(0).toUpperCase()}${word.slice(1)}`));
  return version === "" ? name : `SAM ${version}${words.join("")}`;
}

/** The models' part of the settings; it shows what changes while it is there. */
export function modelsView(options: ModelsOptions): HTMLElement {
  const { engine, say } = options;
  const view = h("div", { class: "models" });
  const attempt = async (what: string, work: () => Promise<void>): Promise<void> => {
    say(what, "busy");
    try {
      await work();
      if (view.isConnected) say("");
    } catch (error) {
      say(messageOf(error), "error");
    }
    draw();
  };
  const use = (choice: Parameters<Engine["use"]>[0], title: string): Promise<void> =>
    attempt(`${title}…`, async () => {
      const part = (fraction: number, stage: string): void =>
        say(`${title}: ${stage === "download" ? "fetching" : "starting"}, ${Math.round(100 * fraction)} %`, "busy");
      await engine.use(choice, part);
      const { choice: used } = engine; // a file may have become one that is kept
      options.onModel(used.from === "hosted" ? used.name : "");
    });
  const row = (isUsed: boolean, name: string, note: string, ...buttons: readonly HTMLElement[]): HTMLElement =>
    h(
      "div",
      { class: "row" },
      h("span", { class: "text" }, isUsed ? h("b", {}, name) : name, " ", h("span", { class: "dim" }, note)),
      ...buttons,
    );
  const button = (text: string, label: string, click: () => unknown): HTMLElement =>
    h("button", { label, on: { click: () => void click() } }, text);

  const checkpoint = filePicker(".pt,.safetensors,.json", async (files) => {
    const config = files.find(({ name }) => name.endsWith(".json"));
    const file = files.find((one) => one !== config);
    if (file === undefined) return say("Choose a checkpoint, with or without its config.", "error");
    await use(
      {
        from: "file",
        name: file.name,
        file,
        ...(config !== undefined && { config }),
      },
      file.name,
    );
  });
  const kind = h("select", { label: "Kind of the model" }, h("option", { value: "" }, "The file says which"));
  kind.append(...kinds.map(([value, title]) => h("option", { value }, title)));
  const onnx = filePicker(".onnx", ([file]) =>
    attempt(`Loading ${file?.name}…`, async () => {
      if (file === undefined) return;
      const finder = {
        name: file.name,
        kind: kind.value === "" ? null : kind.value,
        file,
      };
      await engine.useFinder(finder);
      options.onFinder(finder);
    }),
  );

  const draw = (): void => {
    const { choice, hosted, finderName } = engine;
    const isUsed = (from: string, name?: string): boolean =>
      choice.from === from && (name === undefined || ("name" in choice && choice.name === name));
    const there = (name: string, title: string): HTMLElement =>
      row(
        isUsed("hosted", name),
        title,
        "on this machine",
        ...(isUsed("hosted", name) ? [] : [button("Use", `Use ${title}`, () => use({ from: "hosted", name }, title))]),
        button("Delete", `Delete ${title}`, () => attempt("", () => engine.forget(name))),
      );
    const published = (hosted?.state.models ?? []).map(({ name, bytes, cached }) => {
      const title = titleOf(name);
      if (cached) return there(name, title);
      const note = `${megabytes(bytes)}, from huggingface.co`;
      return row(
        false,
        title,
        note,
        button("Fetch", `Fetch ${title}`, () => use({ from: "hosted", name }, title)),
      );
    });
    const kept = (hosted?.state.kept ?? [])
      .filter(({ name }) => /\.(pt|safetensors)$/.test(name))
      .map(({ name }) => there(name, name));
    const file = choice.from === "file" ? `: ${choice.name}` : "";
    const forgetFinder = button("Forget", "Forget the model of saliency", () =>
      attempt("", async () => {
        await engine.forgetFinder();
        options.onFinder(null);
      }),
    );
    view.replaceChildren(
      h("h2", {}, "Model for clicks"),
      row(
        isUsed("built-in"),
        "Built in",
        "for drawings",
        ...(isUsed("built-in")
          ? []
          : [button("Use", "Use the built-in model", () => use({ from: "built-in" }, "Built in"))]),
      ),
      ...published,
      ...kept,
      row(
        isUsed("file"),
        `From a file${file}`,
        hosted === undefined ? "SAM 2 or 2.1, for this session" : "SAM 2 or 2.1",
        button("Choose…", "Choose a checkpoint", checkpoint.click),
      ),
      h("h2", {}, "Subjects of photographs"),
      row(
        finderName !== undefined,
        finderName ?? "None",
        "an ONNX file of a model that finds them",
        ...(finderName === undefined ? [] : [forgetFinder]),
      ),
      h("div", { class: "row" }, kind, button("Choose…", "Choose a model of saliency", onnx.click)),
      h("p", { class: "dim" }, privacy(engine)),
      checkpoint.input,
      onnx.input,
    );
  };
  engine.onChange = draw;
  draw();
  return view;
}

/** What is fetched, all of it. */
function privacy({ hosted }: Engine): string {
  const here = "Your images stay on this machine: there is no account, no key, and nothing is counted.";
  if (hosted === undefined) return `${here} Nothing is fetched.`;
  const { host } = new URL(hosted.url);
  return `${here} Fetched: the engine's page and its runtime from ${host}; from huggingface.co a model, once, when you choose it. It computes on ${hosted.state.device === "webgpu" ? "the GPU" : "the CPU"}.`;
}

/** A button's way to files of these kinds. */
export function filePicker(
  accept: string,
  take: (files: readonly File[]) => Promise<void>,
): { readonly input: HTMLInputElement; readonly click: () => void } {
  const input = h("input", {
    type: "file",
    on: {
      change: () => {
        const files = [...(input.files ?? [])];
        input.value = ""; // so that the same file can be chosen again
        if (files.length > 0) void take(files);
      },
    },
  });
  input.accept = accept;
  input.multiple = accept.includes(".json");
  input.hidden = true;
  return { input, click: () => input.click() };
}
