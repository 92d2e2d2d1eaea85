import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import type { Loader } from "astro/loaders";
import { reportsPage } from "./reports.ts";

const folder = new URL("../", import.meta.url);
/** Of the repository, `https://github.com/owner/name`, where it is known. */
const { REPOSITORY_URL: repository } = process.env;

/** Numbers that become a page. */
const reports = "reports.json";

interface Page {
  /** From `apps/docs`. */
  readonly file: string;
  /** Its address in the site. */
  readonly id: string;
  /** Default: its first heading. */
  readonly title?: string;
}

/**
 * The pages as they lie in `apps/docs`, where the repository's readers find them too, and what TypeDoc makes of the
 * docstrings (see typedoc.json). Their first heading is the title; links to other files lead to the repository.
 */
export function pages(): Loader {
  return {
    name: "pages",
    async load({ store, parseData, renderMarkdown, generateDigest, config }) {
      store.clear();
      const found = [...(await ownPages()), ...(await packagePages()), ...(await apiPages())];
      const ids = new Map(found.map(({ file, id }) => [file, id]));
      for (const { file, id, title: given } of found) {
        const url = new URL(file, folder);
        const read = (await readFile(url, "utf8")).replaceAll("\r\n", "\n");
        const text = file === reports ? reportsPage(JSON.parse(read)) : read;
        const [, heading = "", body = ""] = /^# (.*)\n([\s\S]*)$/.exec(text) ?? [];
        if (heading === "") throw new Error(`apps/docs/${file} does not begin with a heading`);
        const markdown = withSiteLinks(body, file, ids, config.base);
        const data = await parseData({ id, data: { title: given ?? heading, description: firstSentence(body) } });
        const rendered = await renderMarkdown(markdown, { fileURL: url });
        const filePath = fileURLToPath(url).slice(fileURLToPath(config.root).length);
        store.set({ id, data, body: markdown, filePath, rendered, digest: generateDigest(markdown) });
      }
    },
  };
}

async function ownPages(): Promise<readonly Page[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".md"));
  return [...files, reports].map((file) => ({ file, id: file.replace(/\.(md|json)$/, "") }));
}

/** The packages' own pages, which npm shows. */
async function packagePages(): Promise<readonly Page[]> {
  const names = await readdir(new URL("../../packages/", folder));
  return names
    .map((name) => ({ file: `../../packages/${name}/README.md`, id: `packages/${name}` }))
    .filter(({ file }) => existsSync(new URL(file, folder)));
}

/** One for each entry of the packages. */
async function apiPages(): Promise<readonly Page[]> {
  const made = new URL(".cache/api/", folder);
  if (!existsSync(made)) throw new Error("apps/docs/.cache/api is missing: `npm run docs` has TypeDoc make it first");
  const files = (await readdir(made, { recursive: true })).map((file) => file.replaceAll("\\", "/"));
  return files
    .filter((file) => /\/.*\.md$/.test(file))
    .map((file) => {
      const name = file.replace("/src", "").replace(/(-\d+)?\.md$/, "");
      return { file: `.cache/api/${file}`, id: `api/${name}`, title: `@masklet/${name}` };
    });
}

/**
 * Links to pages of the site as it has them; all other relative ones as the repository has them, or their words alone where
 * it is not known.
 */
function withSiteLinks(markdown: string, from: string, ids: ReadonlyMap<string, string>, base: string): string {
  const root = base.endsWith("/") ? base : `${base}/`;
  return markdown.replace(
    /\[([^\]]+)\]\((?![a-z]+:|#)([^)#\s]*)(#[^)\s]*)?\)/g,
    (_, text: string, path: string, hash = "") => {
      const file = posix.join(posix.dirname(from), path);
      const id = ids.get(file);
      if (id !== undefined) return `[${text}](${root}${id}/${hash})`;
      if (repository === undefined) return text;
      return `[${text}](${new URL(file, `${repository}/blob/main/apps/docs/`).href}${hash})`;
    },
  );
}

/** What search engines show of a page. */
function firstSentence(body: string): string {
  const paragraph = body.split("\n\n").find((part) => /^[\w"`[]/.test(part.trim())) ?? "";
  const plain = paragraph
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/[`*]/g, "")
    .replace(/\s+/g, " ")
    .trim();
  return /^.*?[.!?](?= |$)/.exec(plain)?.[0] ?? plain;
}
