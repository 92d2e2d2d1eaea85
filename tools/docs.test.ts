/**
 * The documentation stays true. In every Markdown file of the repository that users read:
 *
 * - each block of ```ts is type-checked, alone;
 * - those marked ```ts run are one program a page, in their order: type-checked, then run in a folder that holds
 *   `examples/scene.png` and nothing else; what they print must contain the page's ```text output blocks, in their
 *   order, and what they save of the sign must be the sign;
 * - each ```ts page is run in Chromium, on a picture that is shown at half its size, and clicked on;
 * - each masklet command of ```sh has only options that its help knows; those of ```sh run are run;
 * - each relative link leads to a file, and to a heading of it.
 */
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { type Browser, chromium as playwright } from "playwright";
import ts from "typescript";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readImage } from "../packages/core/src/node.ts";
import { chromium, environment, root } from "./host.mjs";
import { type Block, blocks, source } from "./markdown.ts";

const names = (folder: string): readonly string[] => readdirSync(join(root, folder));
const pages = [
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "examples/README.md",
  ...names("apps/docs").map((name) => `apps/docs/${name}`),
  ...names("packages").map((name) => `packages/${name}/README.md`),
].filter((page) => page.endsWith(".md") && existsSync(join(root, page)));

/** Blocks as a module whose lines have the numbers they have in the page, so that errors point there. */
function moduleOf(parts: readonly Block[]): string {
  let code = "export {};";
  for (const { line, text } of parts) code += "\n".repeat(Math.max(0, line - code.split("\n").length)) + text;
  return code;
}

// Under examples, so that packages are found as a user's program finds them.
const folder = join(root, "examples", ".cache", "docs");
const programs = pages.flatMap((page) => {
  const code = blocks(page).filter(({ language }) => language === "ts");
  const program = (parts: readonly Block[], runs: boolean) => ({
    page,
    runs,
    file: join(folder, `${page.replaceAll(/\W+/g, "-")}${runs ? "" : `-${parts[0]?.line}`}.ts`),
    code: moduleOf(parts),
  });
  const running = code.filter(({ mark }) => mark === "run");
  return [
    ...(running.length > 0 ? [program(running, true)] : []),
    ...code.filter((block) => !running.includes(block)).map((block) => program([block], false)),
  ];
});

/** Where users of the packages come in. VS Code's extension has no such users: its errors are words to a person. */
const entries = names("packages").flatMap((name) => {
  const { exports = {} } = JSON.parse(source(`packages/${name}/package.json`));
  const main = existsSync(join(root, "packages", name, "src/main.ts")) ? ["src/main.ts"] : [];
  const found = JSON.stringify(exports).match(/[.][/]src[/][^"]+[.]ts/g) ?? main;
  return found.map((file) => join(root, "packages", name, file));
});

let checked: ts.Program;
beforeAll(() => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { file, code } of programs) writeFileSync(file, code);
  const { config } = ts.readConfigFile(join(root, "tsconfig.base.json"), ts.sys.readFile);
  checked = ts.createProgram({
    rootNames: [...programs.map(({ file }) => file), ...entries],
    options: {
      ...ts.parseJsonConfigFileContent(config, ts.sys, root).options,
      lib: ["es2023", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"].map((lib) => `lib.${lib}.d.ts`),
      types: ["node"],
      isolatedDeclarations: false,
      declaration: false,
      noUnusedLocals: false,
      noPropertyAccessFromIndexSignature: false,
    },
  });
}, 120_000);

test("every block of TypeScript type-checks", { timeout: 120_000 }, () => {
  const problems = programs.flatMap(({ page, file }) => {
    const parsed = checked.getSourceFile(file);
    return [...checked.getSyntacticDiagnostics(parsed), ...checked.getSemanticDiagnostics(parsed)].map(
      ({ start = 0, messageText }) =>
        `${page}:${(parsed?.getLineAndCharacterOfPosition(start).line ?? 0) + 1}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
    );
  });
  expect(problems).toEqual([]);
});

describe("what the documentation runs", () => {
  const base = mkdtempSync(join(tmpdir(), "masklet-docs-"));
  afterAll(() => rmSync(base, { recursive: true, force: true }));

  const running = programs.filter(({ runs }) => runs);
  test.each(running.map(({ page, file }) => [page, file] as const))("%s", { timeout: 120_000 }, async (page, file) => {
    const cwd = join(base, page.replaceAll(/\W+/g, "-"));
    cpSync(join(root, "examples", "scene.png"), join(cwd, "examples", "scene.png"));
    const args = ["--conditions=@masklet/source", "--no-warnings", file];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd,
      env: environment() as NodeJS.ProcessEnv,
    });
    let at = 0;
    for (const { mark, text } of blocks(page)) {
      if (mark !== "output") continue;
      const found = stdout.replaceAll("\r\n", "\n").indexOf(text, at);
      expect(found, `${page} promises this, in this order:\n${text}\nIt printed:\n${stdout}`).toBeGreaterThanOrEqual(
        at,
      );
      at = found + text.length;
    }
    for (const name of readdirSync(cwd).filter((file) => /^sign.*[.]png$/.test(file))) {
      expect(await signIou(readFileSync(join(cwd, name))), `${page}: ${name}`).toBeGreaterThan(0.9);
    }
  });
});

/** The sign of examples/scene.png, by its edges; its corners are round. */
const sign = { x0: 45, y0: 35, x1: 225, y1: 210 } as const;

/** IoU of what a picture shows (a mask, a cutout or a cutout that is cropped) with the sign, by their boxes. */
async function signIou(png: Uint8Array): Promise<number> {
  const { width, height, channels, data } = await readImage(png);
  const [xs, ys]: [number[], number[]] = [[], []];
  for (let i = 0; i < width * height; i++) {
    if (data[i * channels + (channels === 4 ? 3 : 0)] === 0) continue;
    xs.push(i % width);
    ys.push(Math.floor(i / width));
  }
  const at = (values: readonly number[]): readonly [number, number] => [
    values.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY),
    values.reduce((high, value) => Math.max(high, value), 0) + 1,
  ];
  const [[x0, x1], [y0, y1]] = [at(xs), at(ys)];
  const [signWidth, signHeight] = [sign.x1 - sign.x0, sign.y1 - sign.y0];
  // What is cropped has lost its place.
  const cropped = width < 640;
  const overlap = (low: number, high: number, from: number, to: number): number =>
    cropped ? Math.min(high - low, to - from) : Math.max(0, Math.min(high, to) - Math.max(low, from));
  const both = overlap(x0, x1, sign.x0, sign.x1) * overlap(y0, y1, sign.y0, sign.y1);
  return both / ((x1 - x0) * (y1 - y0) + signWidth * signHeight - both);
}

const onPages = pages.flatMap((page) =>
  blocks(page).flatMap((block) => (block.mark === "page" ? [{ page, block }] : [])),
);

describe.skipIf(chromium() === undefined)("what the documentation runs in a page (needs Chromium)", () => {
  const site = join(folder, "site");
  let browser: Browser;
  let server: ViteDevServer;
  beforeAll(async () => {
    mkdirSync(site, { recursive: true });
    cpSync(join(root, "examples", "scene.png"), join(site, "scene.png"));
    for (const [i, { block }] of onPages.entries()) {
      // Meta's weights cannot be had here.
      writeFileSync(join(site, `${i}.ts`), block.text.replaceAll('"sam2.1-hiera-tiny"', '"nano"'));
      writeFileSync(
        join(site, `${i}.html`),
        `<!doctype html><link rel="icon" href="data:,"><body style="margin: 9px">
        <img src="/scene.png" style="width: 320px; padding: 5px; border: 2px solid"><script type="module" src="/${i}.ts"></script>`,
      );
    }
    server = await createServer({
      root: site,
      configFile: false,
      logLevel: "error",
      resolve: { conditions: ["@masklet/source", "module", "browser", "development|production"] },
      optimizeDeps: { exclude: ["onnxruntime-web"] },
      server: { host: "127.0.0.1", port: 0, fs: { strict: false } },
    });
    await server.listen();
    const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
    browser = await playwright.launch({ executablePath: chromium() ?? "", args });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  test.each(onPages.map(({ page, block }, i) => [page, block.line, i] as const))(
    "%s:%i",
    { timeout: 120_000 },
    async (_, __, i) => {
      const opened = await browser.newPage();
      const problems: string[] = [];
      opened.on("pageerror", (error) => problems.push(String(error)));
      await opened.goto(new URL(`${i}.html`, server.resolvedUrls?.local[0]).href, { waitUntil: "networkidle" });
      await opened
        .locator("img")
        .first()
        .click({ position: { x: 130 / 2 + 7, y: 121 / 2 + 7 } });
      const made = opened.locator("img").nth(1);
      await made.waitFor({ state: "attached", timeout: 90_000 }).catch(() => {});
      expect(problems).toEqual([]);
      const bytes = await made.evaluate(async (image) => {
        const { src } = image as unknown as { readonly src: string };
        return [...new Uint8Array(await (await fetch(src)).arrayBuffer())];
      });
      expect(await signIou(Uint8Array.from(bytes))).toBeGreaterThan(0.9);
      await opened.close();
    },
  );
});

/** Runs the command line from its sources. */
const masklet = (args: readonly string[], cwd = root): Promise<{ readonly stdout: string }> =>
  promisify(execFile)(
    process.execPath,
    ["--conditions=@masklet/source", "--no-warnings", join(root, "packages", "cli", "src", "main.ts"), ...args],
    { cwd, env: environment() as NodeJS.ProcessEnv },
  );

const longOptions = (text: string): ReadonlySet<string> => new Set(text.match(/(?<![\w-])--[a-z][a-z-]+/g));

describe("the command line", () => {
  // As the program names them, so that none is forgotten.
  const [, listed = ""] = /const commands:.*?= \{(.*?)\n\};/s.exec(source("packages/cli/src/run.ts")) ?? [];
  const commands = Array.from(listed.matchAll(/^ {2}(\w+):/gm), ([, name = ""]) => name);
  const helps = Promise.all(commands.map(async (command) => (await masklet([command, "--help"])).stdout));

  test.each(commands.map((command, i) => [command, i] as const))(
    "apps/docs/cli.md has every option of %s",
    async (command, i) => {
      const help = (await helps)[i] ?? "";
      const [, section = ""] = source("apps/docs/cli.md").split(`\n## \`masklet ${command}\``);
      const [own = ""] = section.split("\n## ");
      const rows = own.split("\n").flatMap((line) => (line.startsWith("| `-") ? [line.split(" | ")[0] ?? ""] : []));
      const declared = help
        .split("\n")
        .filter((line) => /^ {2}(-\w,| {3}) --/.test(line))
        .map((line) => line.trim().split("  ")[0]);
      expect([...longOptions(rows.join("\n"))].sort()).toEqual([...longOptions(declared.join("\n"))].sort());
    },
  );

  test.each(pages)("commands of %s have only options that there are", async (page) => {
    const shell = blocks(page).flatMap(({ language, text }) =>
      language === "sh" ? [text.replaceAll("\\\n", " ")] : [],
    );
    for (const [line, name = ""] of shell.join("\n").matchAll(/^(?:npx @masklet\/cli|masklet) (\w+).*$/gm)) {
      const help = (await helps)[(commands as readonly string[]).indexOf(name)] ?? "";
      expect(
        [...longOptions(line)].filter((option) => !longOptions(help).has(option)),
        line,
      ).toEqual([]);
    }
  });

  test("the picture of the README is what its command makes", { timeout: 60_000 }, async ({ skip }) => {
    const cwd = mkdtempSync(join(tmpdir(), "masklet-picture-"));
    try {
      cpSync(join(root, "examples", "scene.png"), join(cwd, "examples", "scene.png"));
      const [block] = blocks("README.md").filter(({ language, mark }) => language === "sh" && mark === "run");
      const [called, ...args] = (block?.text ?? "").replaceAll("\\\n", " ").trim().split(/\s+/);
      expect(called).toBe("masklet");
      const model = args[args.indexOf("--model") + 1];
      if (model !== "nano") skip(`it was made with ${model}, which is not here`);
      await masklet([...args, "--quiet"], cwd);
      const [made, shown] = await Promise.all(
        [join(cwd, "out"), join(root, "examples")].map((folder) => readImage(join(folder, "scene.overlay.png"))),
      );
      const different = made?.data.filter((value, i) => Math.abs(value - (shown?.data[i] ?? 0)) > 2).length;
      // Another processor may put a few pixels of an edge elsewhere.
      expect(different).toBeLessThan((shown?.data.length ?? 0) / 1000);
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  });
});

test("examples/segment.mjs writes its results", { timeout: 60_000 }, async () => {
  const cwd = mkdtempSync(join(tmpdir(), "masklet-example-"));
  try {
    const args = ["--conditions=@masklet/source", "--no-warnings", join(root, "examples", "segment.mjs")];
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      cwd,
      env: environment() as NodeJS.ProcessEnv,
    });
    const files = stdout.trim().split(/\r?\n/);
    expect(files).toHaveLength(3);
    for (const file of files) expect((await readImage(join(cwd, file))).width).toBeGreaterThan(0);
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
});

/** GitHub's name of a heading in links. */
const slug = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");

test.each(pages)("the links of %s lead somewhere", (page) => {
  const prose = source(page).replaceAll(/^```[\s\S]*?^```$/gm, "");
  const broken = Array.from(
    prose.matchAll(/\]\(([^)\s]+)\)|(?:src|srcset|href)="([^"]+)"/g),
    (match) => match[1] ?? match[2] ?? "",
  )
    .filter((link) => !/^(https?:|mailto:)/.test(link))
    .filter((link) => {
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? join(root, page) : join(root, dirname(page), path);
      if (!existsSync(target)) return true;
      if (anchor === undefined) return false;
      const headings = Array.from(readFileSync(target, "utf8").matchAll(/^#+ (.+)$/gm), ([, heading = ""]) =>
        slug(heading),
      );
      return !headings.includes(anchor);
    });
  expect(broken).toEqual([]);
});

test("apps/docs/errors.md lists every error code of the sources, and no other", { timeout: 120_000 }, () => {
  const checker = checked.getTypeChecker();
  const thrown = new Set<string>();
  const visit = (node: ts.Node): void => {
    const type = ts.isNewExpression(node) ? checker.getTypeAtLocation(node) : undefined;
    if (ts.isNewExpression(node) && type !== undefined && ["code", "details"].every((key) => type.getProperty(key))) {
      const given = node.arguments?.[0] ?? node;
      const argument = ts.isAsExpression(given) ? given.expression : given;
      if (ts.isPropertyAccessExpression(argument) && argument.name.text === "code") return; // passed on
      const code = checker.getTypeAtLocation(argument);
      for (const one of code.isUnion() ? code.types : [code]) {
        const name = one.isStringLiteral()
          ? one.value
          : `(${node.getSourceFile().fileName}: a code of type ${checker.typeToString(one)})`;
        thrown.add(`${node.expression.getText()} ${name}`);
      }
    }
    ts.forEachChild(node, visit);
  };
  const sources = checked
    .getSourceFiles()
    .filter(({ fileName }) => /[\\/]packages[\\/][^\\/]+[\\/]src[\\/]/.test(fileName));
  for (const entry of entries) expect(checked.getSourceFile(entry), entry).toBeDefined();
  for (const file of sources) visit(file);

  const listed: string[] = [];
  let error = "";
  for (const line of source("apps/docs/errors.md").split("\n")) {
    error = /^## `(\w+Error)`/.exec(line)?.[1] ?? error;
    const code = /^\| `([a-z0-9-]+)` \|/.exec(line)?.[1];
    if (code !== undefined) listed.push(`${error} ${code}`);
  }
  expect(listed.sort()).toEqual([...thrown].sort());

  const typed: string[] = [];
  for (const statement of checked.getSourceFile(join(root, "packages/core/src/errors.ts"))?.statements ?? []) {
    if (!ts.isTypeAliasDeclaration(statement)) continue;
    const type = checker.getTypeAtLocation(statement);
    for (const one of type.isUnion() ? type.types : [type]) {
      if (one.isStringLiteral()) typed.push(`${statement.name.text.replace(/Code$/, "")} ${one.value}`);
    }
  }
  expect(typed.length).toBeGreaterThan(100);
  const known = new Set(Array.from(thrown, (entry) => entry.replace("FrameForgottenError", "FrameError")));
  expect(typed.filter((entry) => !known.has(entry))).toEqual([]); // the compiler sees to the other way round
});
