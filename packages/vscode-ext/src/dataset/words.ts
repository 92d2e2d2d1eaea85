/** The words of the dataset's pages, in the language of VS Code. */
import { l10n } from "vscode";

export function galleryWords(): Readonly<Record<string, string>> {
  return {
    search: l10n.t("Search"),
    searchHelp: l10n.t("Words of the path, /pattern/, objects>3, score<0.5"),
    split: l10n.t("Split"),
    allSplits: l10n.t("All splits"),
    class: l10n.t("Class"),
    allClasses: l10n.t("All classes"),
    state: l10n.t("State"),
    allStates: l10n.t("All states"),
    unlabelled: l10n.t("Unlabelled"),
    draft: l10n.t("With drafts"),
    accepted: l10n.t("Labelled"),
    problem: l10n.t("With problems"),
    shown: l10n.t("{count} of {total} pictures"),
    next: l10n.t("Next unlabelled (N)"),
    propose: l10n.t("Propose masks"),
    proposeSelected: l10n.t("Propose masks for {count}"),
    detect: l10n.t("Detect objects"),
    detectSelected: l10n.t("Detect objects in {count}"),
    stop: l10n.t("Stop"),
    pictures: l10n.t("Pictures"),
    objects: l10n.t("{count} objects"),
    drafts: l10n.t("{count} drafts"),
    missing: l10n.t("The picture is not there"),
    unreadable: l10n.t("Cannot be shown: {message}"),
    back: l10n.t("Back to all (Escape)"),
    previous: l10n.t("Previous"),
    following: l10n.t("Next"),
    edit: l10n.t("Edit (E)"),
    accept: l10n.t("Accept (A)"),
    reject: l10n.t("Reject (X)"),
    objectList: l10n.t("Objects"),
    noObjects: l10n.t("No objects"),
    position: l10n.t("{name}, {place} of {count}"),
    noClass: l10n.t("no class"),
    draftOf: l10n.t("Draft: {name}, {score}"),
    nothing: l10n.t("No picture is like that."),
    help: l10n.t("Arrow keys move, Enter looks closer, Space selects, N goes to the next unlabelled picture."),
  };
}

export function statisticsWords(): Readonly<Record<string, string>> {
  return {
    title: l10n.t("Statistics of {name}"),
    images: l10n.t("Pictures"),
    unlabelled: l10n.t("Not labelled"),
    empty: l10n.t("Labelled, without objects"),
    objects: l10n.t("Objects"),
    perImage: l10n.t("Objects to a picture"),
    range: l10n.t("{least} to {most}, {mean} on average"),
    shapes: l10n.t("Shapes"),
    videos: l10n.t("Videos"),
    tracks: l10n.t("Tracks"),
    classes: l10n.t("Classes"),
    class: l10n.t("Class"),
    showing: l10n.t("Pictures"),
    small: l10n.t("Small"),
    medium: l10n.t("Medium"),
    large: l10n.t("Large"),
    median: l10n.t("Median area"),
    drawn: l10n.t("Drawn"),
    sizes: l10n.t("Sizes of pictures"),
    size: l10n.t("Size"),
    none: l10n.t("(none)"),
    areas: l10n.t("Small is below 32 x 32 pixels, large above 96 x 96."),
  };
}

export function comparisonWords(): Readonly<Record<string, string>> {
  return {
    title: l10n.t("{before} and {after}"),
    summary: l10n.t(
      "{different} of {images} pictures differ: {added} objects added, {removed} removed, {shape} of another shape, {class} of another class, {same} the same.",
    ),
    resized: l10n.t("the labels are of another size"),
    added: l10n.t("{count} added"),
    removed: l10n.t("{count} removed"),
    changed: l10n.t("{count} changed"),
    swipe: l10n.t("Where the two sides meet"),
    before: l10n.t("Before: {name}"),
    after: l10n.t("After: {name}"),
    pictures: l10n.t("Pictures that differ"),
    markdown: l10n.t("Report as Markdown"),
    json: l10n.t("Report as JSON"),
    edit: l10n.t("Edit"),
    nothing: l10n.t("Nothing differs."),
    more: l10n.t("and {count} more pictures: see the report"),
    unreadable: l10n.t("The picture cannot be shown: {message}"),
  };
}
