/** The tree of a dataset: splits, classes and states with their numbers. Pictures are in the gallery. */
import {
  type Event,
  EventEmitter,
  l10n,
  ThemeIcon,
  type TreeDataProvider,
  TreeItem,
  TreeItemCollapsibleState,
} from "vscode";
import type { OpenDataset } from "./dataset.ts";
import { countEntries, type Filter, imageStates } from "./query.ts";

export interface TreeNode {
  readonly label: string;
  readonly description?: string;
  readonly icon: string;
  readonly filter: Filter;
  readonly children: readonly TreeNode[];
}

export class DatasetTree implements TreeDataProvider<TreeNode> {
  readonly #changes = new EventEmitter<undefined>();
  readonly onDidChangeTreeData: Event<undefined> = this.#changes.event;
  #dataset: OpenDataset | undefined;

  show(dataset: OpenDataset | undefined): void {
    this.#dataset = dataset;
    this.#changes.fire(undefined);
  }

  refresh(): void {
    this.#changes.fire(undefined);
  }

  getChildren(node?: TreeNode): TreeNode[] {
    if (node !== undefined) return [...node.children];
    return this.#dataset === undefined ? [] : [...nodesOf(this.#dataset)];
  }

  getTreeItem({ label, description, icon, filter, children }: TreeNode): TreeItem {
    const item = new TreeItem(
      label,
      children.length > 0 ? TreeItemCollapsibleState.Expanded : TreeItemCollapsibleState.None,
    );
    if (description !== undefined) item.description = description;
    item.iconPath = new ThemeIcon(icon);
    if (children.length === 0)
      item.command = { command: "masklet.dataset.gallery", title: l10n.t("Show in Gallery"), arguments: [filter] };
    return item;
  }

  dispose(): void {
    this.#changes.dispose();
  }
}

export function stateName(state: (typeof imageStates)[number]): string {
  const names = {
    unlabelled: l10n.t("Unlabelled"),
    draft: l10n.t("With drafts"),
    accepted: l10n.t("Labelled"),
    problem: l10n.t("With problems"),
  };
  return names[state];
}

const stateIcons = { unlabelled: "circle-outline", draft: "sparkle", accepted: "pass", problem: "warning" } as const;

/** The nodes of a dataset. */
export function nodesOf({
  name,
  index,
  factsOf,
}: Pick<OpenDataset, "name" | "index" | "factsOf">): readonly TreeNode[] {
  const { images, splits, categories, states } = countEntries(index.entries, index.categories, factsOf);
  const leaf = (label: string, description: string, icon: string, filter: Filter): TreeNode => ({
    label,
    description,
    icon,
    filter,
    children: [],
  });
  const group = (label: string, icon: string, children: readonly TreeNode[]): readonly TreeNode[] =>
    children.length === 0 ? [] : [{ label, icon, filter: {}, children }];
  const named = [...splits].filter(([split]) => split !== "").sort(([a], [b]) => (a < b ? -1 : 1));
  const rest = splits.get("") ?? 0;
  const splitNodes = [
    ...named.map(([split, count]) => leaf(split, String(count), "folder", { split })),
    ...(rest > 0 && named.length > 0 ? [leaf(l10n.t("(no split)"), String(rest), "folder", { split: "" })] : []),
  ];
  return [
    leaf(
      l10n.t("All pictures"),
      `${images} · ${name}${index.format === undefined ? "" : ` · ${index.format}`}`,
      "file-media",
      {},
    ),
    ...group(l10n.t("Splits"), "versions", splitNodes),
    ...group(
      l10n.t("Classes"),
      "symbol-class",
      [...categories].map(([category, { images: showing, objects }]) =>
        leaf(category, l10n.t("{0} in {1} pictures", objects, showing), "symbol-class", { category }),
      ),
    ),
    ...group(
      l10n.t("States"),
      "checklist",
      imageStates.map((state) => leaf(stateName(state), String(states.get(state) ?? 0), stateIcons[state], { state })),
    ),
  ];
}
