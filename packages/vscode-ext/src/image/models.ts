/** The engine that answers clicks, by what a person has set, and the choice of its model. */
import { type LogOutputChannel, l10n, ProgressLocation, type QuickPickItem, window, workspace } from "vscode";
import type { Place } from "../activate.ts";
import { EngineClient } from "../engine-client.ts";
import { messageOf } from "../errors.ts";

/** Encoded pictures that are kept: 16 of a full-size model. */
const CACHE_BYTES = 256 * 2 ** 20;

const settings = () => workspace.getConfiguration("masklet");

export function engineOf(spawn: NonNullable<Place["spawn"]>, log: LogOutputChannel): EngineClient {
  return new EngineClient({
    spawn: (reply, lost) => spawn(reply, lost, (line) => log.debug(line)),
    // A workspace that is not trusted names no model: VS Code gives the person's own setting then.
    settings: () => ({
      model: settings().get("model", "nano"),
      runtime: settings().get<"auto" | "native" | "wasm">("engine", "auto"),
      cacheBytes: CACHE_BYTES,
    }),
    idle: () => settings().get("idleMinutes", 10) * 60_000,
    log: (message) => log.info(message),
  });
}

/** Published models with their sizes; one that is not here is fetched once its size was agreed to. */
export async function chooseModel(engine: EngineClient | undefined): Promise<void> {
  if (engine === undefined) {
    await window.showInformationMessage(l10n.t("In the browser the built-in model answers."));
    return;
  }
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  const items: (QuickPickItem & { readonly model: string; readonly size: number })[] = [
    { label: "nano", description: l10n.t("built in, 7 MB"), model: "nano", size: 0 },
    ...(await engine.request("models", null)).map(({ name, bytes, isHere }) => ({
      label: name,
      description: isHere ? l10n.t("on this machine") : l10n.t("to fetch: {0}", megabytes(bytes)),
      model: name,
      size: isHere ? 0 : bytes,
    })),
  ];
  const chosen = await window.showQuickPick(items, { title: l10n.t("Model that answers clicks") });
  if (chosen === undefined) return;
  if (chosen.size > 0) {
    const fetch = l10n.t("Fetch {0}", megabytes(chosen.size));
    const agreed = await window.showInformationMessage(
      l10n.t("{0} is fetched from Hugging Face and kept in its cache on this machine.", chosen.model),
      { modal: true },
      fetch,
    );
    if (agreed !== fetch) return;
    try {
      await window.withProgress(
        { location: ProgressLocation.Notification, title: chosen.model, cancellable: true },
        (progress, token) => {
          token.onCancellationRequested(() => engine.cancelDownloads());
          let before = 0;
          return engine.request("download", { model: chosen.model }, (share, text) => {
            progress.report({ increment: 100 * (share - before), message: `${text}, ${Math.round(100 * share)} %` });
            before = share;
          });
        },
      );
    } catch (error) {
      await window.showErrorMessage(messageOf(error));
      return;
    }
  }
  await settings().update("model", chosen.model, true);
}
