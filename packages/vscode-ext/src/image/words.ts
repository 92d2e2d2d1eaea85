/** The words of the page, in the language of VS Code. */
import { l10n } from "vscode";

export function pageWords(): Readonly<Record<string, string>> {
  return {
    segment: l10n.t("Segment"),
    segmentTitle: l10n.t("Make and mend labels (S)"),
    view: l10n.t("View"),
    viewTitle: l10n.t("Look only: a click zooms (V, Escape)"),
    classes: l10n.t("Classes"),
    newClass: l10n.t("New class..."),
    picture: l10n.t("Picture"),
    fetchFailed: l10n.t("The picture cannot be read: {message}"),
    decodeFailed: l10n.t("The picture cannot be decoded: {message}"),
    loading: l10n.t("Loading the picture"),
    untitled: l10n.t("no class"),
    pictureHelp: l10n.t("Plus and minus zoom, 0 shows all of it, arrow keys scroll. S makes and mends labels."),
  };
}
