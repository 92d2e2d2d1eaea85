/**
 * The packages as npm installs them: from their tarballs, into empty folders, with everybody's install scripts, and
 * without NuGet, which `onnxruntime-node`'s script wants on Linux x64 and many do not reach.
 */
import { execFile, spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { build } from "esbuild";
import { chromium as playwright } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromium, environment, manifest, root } from "./host.mjs";
import { blocks } from "./markdown.ts";
import { packPackages } from "./pack.mjs";
import { type Registry, serveRegistry } from "./registry.ts";

const folder = mkdtempSync(join(tmpdir(), "masklet-install-"));
const discard = (path: string): void => rmSync(path, { recursive: true, force: true });
afterAll(() => discard(folder), 120_000);

/** Where nobody listens. */
const nowhere = "http://127.0.0.1:9";

const env = ((): NodeJS.ProcessEnv => {
  const inherited = environment() as NodeJS.ProcessEnv;
  return {
    ...inherited,
    // Of the install script alone: npm does not know it.
    GLOBAL_AGENT_HTTP_PROXY: nowhere,
    GLOBAL_AGENT_HTTPS_PROXY: nowhere,
    NO_PROXY: [inherited["NO_PROXY"] ?? inherited["no_proxy"], "127.0.0.1"].filter(Boolean).join(),
    ONNXRUNTIME_NODE_INSTALL: undefined,
    ONNXRUNTIME_NODE_INSTALL_CUDA: undefined,
    // Nobody's models but the one that is installed.
    HF_HUB_CACHE: join(folder, "models"),
    HF_HUB_OFFLINE: "1",
    NEXT_TELEMETRY_DISABLED: "1",
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_prefer_offline: "true",
    npm_config_update_notifier: "false",
  };
})();

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program, or a command line in a shell, to its end. */
async function run(command: string, args: readonly string[] | undefined, cwd: string): Promise<Outcome> {
  try {
    const options = { cwd, env, maxBuffer: 2 ** 26, ...(args === undefined && { shell: true }) };
    return { code: 0, ...(await promisify(execFile)(command, [...(args ?? [])], { ...options, encoding: "utf8" })) };
  } catch (error) {
    const { code, stdout = "", stderr = "" } = error as Partial<Outcome>;
    if (typeof code !== "number") throw error;
    return { code, stdout, stderr };
  }
}

async function succeed(command: string, args: readonly string[] | undefined, cwd: string): Promise<Outcome> {
  const outcome = await run(command, args, cwd);
  if (outcome.code === 0) return outcome;
  throw new Error(
    `${[command, ...(args ?? [])].join(" ")}: exit code ${outcome.code}\n${outcome.stdout}${outcome.stderr}`,
  );
}

/** The registry that npm asks; or why it cannot be asked, in one line. */
async function registryProblem(): Promise<string | undefined> {
  const options = "--fetch-retries=0 --fetch-timeout=20000 --prefer-offline=false";
  const { code, stderr } = await run(`npm view onnxruntime-common version ${options}`, undefined, folder);
  if (code === 0) return undefined;
  return `npm's registry cannot be reached (${/^npm error (?:code )?(.*)$/m.exec(stderr)?.[1] ?? `exit code ${code}`})`;
}

const built = ["backend-ort", "backend-tfjs", "cli", "core", "editor", "labels", "model-nano"].every((name) =>
  existsSync(join(root, "packages", name, "dist")),
);
const problem = built ? await registryProblem() : "the packages are not built";

/** Packages that are published, without the scope. */
const names = ["backend-ort", "backend-tfjs", "cli", "core", "labels", "model-nano"] as const;

const { peerDependencies } = JSON.parse(readFileSync(join(root, "packages", "backend-ort", "package.json"), "utf8"));
const ortVersion: string = peerDependencies["onnxruntime-web"];

describe.skipIf(problem !== undefined)(problem === undefined ? "npm" : `not run: ${problem}`, () => {
  let registry: Registry;
  beforeAll(async () => {
    registry = await serveRegistry(packPackages(folder));
  }, 120_000);
  afterAll(() => registry?.close());

  /** An empty folder, but for the setting that says where Masklet's packages are. */
  function project(name: string): string {
    const path = join(folder, name);
    mkdirSync(join(path, "examples"), { recursive: true });
    writeFileSync(join(path, ".npmrc"), `@masklet:registry=${registry.url}\n`);
    copyFileSync(join(root, "tools", "smoke-consumer.mjs"), join(path, "consumer.mjs"));
    copyFileSync(join(root, "examples", "scene.png"), join(path, "scene.png"));
    cpSync(join(root, "examples"), join(path, "examples"), {
      recursive: true,
      filter: (from) => !/node_modules|package\.json|\.cache/.test(from),
    });
    return path;
  }

  const bin = join("node_modules", ".bin", "masklet");
  const masklet = (args: string, cwd: string): Promise<Outcome> => succeed(`${bin} ${args}`, undefined, cwd);
  const segment = `segment scene.png --model nano --box 45,35,224,209 -o out`;

  /** Has TypeScript check programs in a project, as strictly as users may. */
  async function checkTypes(
    cwd: string,
    programs: Readonly<Record<string, string>>,
    types: readonly string[] = [],
  ): Promise<void> {
    for (const [name, code] of Object.entries(programs)) writeFileSync(join(cwd, name), code);
    for (const [module, moduleResolution] of [
      ["NodeNext", "NodeNext"],
      ["ESNext", "Bundler"],
    ]) {
      const compilerOptions = {
        ...{ module, moduleResolution, target: "ES2022", lib: ["ES2022", "DOM"], types },
        // TypeScript's own libraries alone are taken as they are: they take most of the time.
        ...{ strict: true, skipLibCheck: false, skipDefaultLibCheck: true, noEmit: true },
      };
      writeFileSync(join(cwd, "tsconfig.json"), JSON.stringify({ compilerOptions, files: Object.keys(programs) }));
      await succeed(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc6"), "-p", "."], cwd);
    }
  }

  /** A program that imports every entry of the packages installed. */
  function importsEverything(cwd: string): string {
    const lines = ["export {};"];
    for (const name of readdirSync(join(cwd, "node_modules", "@masklet"))) {
      const { exports } = JSON.parse(readFileSync(join(cwd, "node_modules", "@masklet", name, "package.json"), "utf8"));
      for (const [subpath, target] of Object.entries(exports)) {
        if (typeof target === "string" || subpath === "./test/*") continue;
        lines.push(`export * as e${lines.length} from "@masklet/${name}${subpath.slice(1)}";`);
      }
    }
    return lines.join("\n");
  }

  describe.each(names)("@masklet/%s alone", (name) => {
    let cwd: string;
    beforeAll(async () => {
      cwd = project(name);
      await succeed(`npm install @masklet/${name}`, undefined, cwd);
    }, 240_000);
    // Some of them are large.
    afterAll(() => discard(cwd), 120_000);

    test("is imported, and the command runs", { timeout: 120_000 }, async () => {
      await succeed(process.execPath, ["consumer.mjs"], cwd);
    });

    // Those who see the types of others.
    if (name === "backend-ort" || name === "backend-tfjs") {
      test("compiles under strict, with lib ES2022 and DOM, and without skipLibCheck", {
        timeout: 120_000,
      }, async () => {
        await checkTypes(cwd, { "entries.mts": importsEverything(cwd) });
      });
    }

    if (name === "core") {
      test("brings nothing but what it depends on", () => {
        const { dependencies = {} } = JSON.parse(readFileSync(join(root, "packages", "core", "package.json"), "utf8"));
        const lock = JSON.parse(readFileSync(join(cwd, "node_modules", ".package-lock.json"), "utf8"));
        const wanted = ["@masklet/core", ...Object.keys(dependencies)].map(
          (dependency) => `node_modules/${dependency}`,
        );
        expect(Object.keys(lock.packages).sort()).toEqual(wanted.sort());
      });

      test("says what installs sharp", { timeout: 120_000 }, async () => {
        const code = `import { readImage } from "@masklet/core/node"; await readImage("scene.png").catch(({ code, message }) => console.log(code, message));`;
        const { stdout } = await succeed(process.execPath, ["--input-type=module", "--eval", code], cwd);
        expect(stdout).toMatch(/^sharp-missing .*\(npm install --include=optional sharp\)/);
      });
    }

    if (name === "backend-ort") {
      test("says what installs ONNX Runtime, and that does", { timeout: 240_000 }, async () => {
        const code = `
          import { createOrtBackend } from "@masklet/backend-ort";
          const backend = await createOrtBackend().catch((error) => error);
          console.log(backend.code ?? backend.capabilities.device, backend.message ?? "");
        `;
        const ask = async (): Promise<string> =>
          (await succeed(process.execPath, ["--input-type=module", "--eval", code], cwd)).stdout.trim();
        const said = await ask();
        expect(said).toMatch(/^runtime-missing onnxruntime-node is not installed; install it \(/);
        await succeed(/install it \((.*?)\)/.exec(said)?.[1] ?? "false", undefined, cwd);
        expect(await ask()).toBe("cpu");
        sized("Node library, with a runtime for five platforms", cwd);

        // What is there is only made smaller: see below for what is not.
        await succeed("npx @masklet/backend-ort", undefined, cwd);
        expect(await ask()).toBe("cpu");
        sized("Node library", cwd);
      });
    }

    if (name === "cli") {
      test("computes without ONNX Runtime, and says what installs it", { timeout: 240_000 }, async () => {
        // As npm leaves it where the script fails; where there is none, or npm runs none, it is there.
        discard(join(cwd, "node_modules", "onnxruntime-node"));
        const { stderr } = await masklet(segment, cwd);
        expect(stderr).toMatch(/computing with TensorFlow\.js \(wasm\), several times slower: onnxruntime-node is not/);
        const doctor = await masklet("doctor", cwd);
        expect(doctor.stdout).toMatch(/missing: onnxruntime-node is not installed; .*\n(.*\n)*Ready: masklet segment/);
        const refused = await run(`${bin} ${segment} --threads 1`, undefined, cwd);
        expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("[runtime-missing]")]);

        await succeed(/this installs it: (.*)/.exec(stderr)?.[1] ?? "false", undefined, cwd);
        expect((await masklet(segment, cwd)).stderr).not.toContain("TensorFlow.js");
      });

      test("runs the README's commands", { timeout: 240_000 }, async () => {
        const running = blocks("README.md").filter(({ language, mark }) => language === "sh" && mark === "run");
        const videos = (await run("ffmpeg -version", undefined, cwd)).code === 0;
        for (const { text } of running) {
          if (!videos && text.includes("masklet track")) continue;
          await masklet(text.replaceAll("\\\n", " ").replace("masklet ", ""), cwd);
        }
        expect(existsSync(join(cwd, "out", "scene.overlay.png"))).toBe(true);
        expect(existsSync(join(cwd, "out", "masks", "00000.png"))).toBe(videos);
        sized("CLI", cwd);
      });
    }
  });

  /** What the README says installs something, run in an empty folder. */
  async function install(what: string): Promise<string> {
    const [block, ...others] = blocks("README.md").filter(({ mark }) => mark === `install ${what}`);
    if (block === undefined || others.length > 0) throw new Error(`README.md: one block "install ${what}" is wanted`);
    const cwd = project(`readme-${what}`);
    for (const line of block.text.trim().split("\n")) await succeed(line, undefined, cwd);
    return cwd;
  }

  describe("what the README installs for Node", () => {
    let cwd: string;
    beforeAll(async () => {
      cwd = await install("node");
    }, 240_000);
    afterAll(() => discard(cwd), 120_000);

    test("runs the README's program", { timeout: 120_000 }, async () => {
      const running = blocks("README.md").filter(({ language, mark }) => language === "ts" && mark === "run");
      const program = running.map(({ text }) => text).join("");
      writeFileSync(join(cwd, "readme.mts"), program);
      const { stdout } = await succeed(process.execPath, ["--no-warnings", "readme.mts"], cwd);
      let at = 0;
      for (const { mark, text } of blocks("README.md")) {
        if (mark !== "output") continue;
        expect(stdout.slice(at), stdout).toContain(text);
        at = stdout.indexOf(text, at) + text.length;
      }
      sized("Node library with sharp and nano", cwd);
    });

    test("takes all other packages beside it, and everything compiles", { timeout: 240_000 }, async () => {
      const all = names.map((name) => `@masklet/${name}`).join(" ");
      // README's program writes files, for which TypeScript's users install Node's types. Ours ask for none: see above.
      const others = `onnxruntime-web@${ortVersion} @types/node@${manifest.devDependencies["@types/node"]}`;
      await succeed(`npm install ${all} ${others}`, undefined, cwd);
      await succeed(process.execPath, ["consumer.mjs"], cwd);
      const programs = {
        "entries.mts": importsEverything(cwd),
        "readme.mts": readFileSync(join(cwd, "readme.mts"), "utf8"),
        "page.mts": pageProgram(),
      };
      await checkTypes(cwd, programs, ["node"]);
    });
  });

  test("what the README installs for a browser has no native code, and is bundled", { timeout: 240_000 }, async () => {
    const cwd = await install("browser");
    expect(filesIn(cwd).filter((path) => /\.(node|dll|dylib|so(\.\d+)*)$/.test(path))).toEqual([]);
    writeFileSync(join(cwd, "page.mts"), pageProgram());
    const { errors, outputFiles } = await build({
      entryPoints: [join(cwd, "page.mts")],
      outdir: join(cwd, "bundle"),
      ...{ bundle: true, splitting: true, format: "esm", write: false, logLevel: "silent" },
      conditions: ["onnxruntime-web-use-extern-wasm"],
    });
    expect([errors, outputFiles.length > 1]).toEqual([[], true]);
    sized("browser", cwd);
  });
});

/** Next installs a compiler and builds for half a minute. */
const next = "next@16.4.6";
const skipsNext = problem !== undefined || process.env["MASKLET_SLOW"] !== "1" || chromium() === undefined;
describe.skipIf(skipsNext)("Next (with MASKLET_SLOW=1 and Chromium)", () => {
  test("builds its example, and a click in its page gives a mask", { timeout: 400_000 }, async () => {
    const registry = await serveRegistry(packPackages(folder));
    const cwd = join(folder, "next");
    cpSync(join(root, "examples"), cwd, { recursive: true, filter: (from) => !/node_modules|\.cache/.test(from) });
    mkdirSync(join(cwd, "next", "public"));
    copyFileSync(join(cwd, "scene.png"), join(cwd, "next", "public", "scene.png"));
    writeFileSync(join(cwd, ".npmrc"), `@masklet:registry=${registry.url}\n`);
    const { dependencies } = JSON.parse(readFileSync(join(cwd, "package.json"), "utf8"));
    const others = ["onnxruntime-web", "react", "react-dom"].map((name) => `${name}@${dependencies[name]}`);
    // Without the rest of the examples' own, which are the workspace's.
    writeFileSync(join(cwd, "package.json"), '{ "private": true, "type": "module" }');
    const packages = ["@masklet/backend-ort", "@masklet/core", "@masklet/editor", "@masklet/model-nano"];
    await succeed(`npm install ${[next, ...others, ...packages].join(" ")}`, undefined, cwd);
    const program = join(cwd, "node_modules", "next", "dist", "bin", "next");
    await succeed(process.execPath, [program, "build", "next"], cwd);
    const server = spawn(process.execPath, [program, "start", "next", "-p", "0"], { cwd, env });
    const browser = await playwright.launch({
      executablePath: chromium() ?? "",
      args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
    });
    try {
      const address = await new Promise<string>((resolve, reject) => {
        let said = "";
        server.stdout.on("data", (chunk) => {
          said += chunk;
          const [found] = /http:\/\/localhost:[1-9]\d*/.exec(said) ?? [];
          if (found !== undefined) resolve(found);
        });
        server.on("exit", () => reject(new Error(`next start: ${said}`)));
      });
      const page = await browser.newPage();
      await page.goto(address);
      const editor = "document.querySelector('masklet-editor')";
      await page.waitForFunction(`${editor}?.engineState === "ready"`, undefined, { timeout: 60_000 });
      expect(await page.evaluate("crossOriginIsolated")).toBe(true);
      const [x, y] = (await page.evaluate(`${editor}.pagePoint([130, 121])`)) as [number, number];
      await page.mouse.click(x, y);
      await page.waitForFunction(`${editor}.session.document.objects.length === 1`);
    } finally {
      await browser.close();
      server.kill();
      registry.close();
    }
  });
});

/** What the README has for a page. */
function pageProgram(): string {
  const [program] = blocks("README.md").filter(({ language, text }) => language === "ts" && text.includes("document."));
  if (!program?.text.includes("@masklet/backend-ort/web")) throw new Error("README.md: no program for a page");
  return program.text;
}

/** Every file of a project's packages. */
function filesIn(cwd: string): readonly string[] {
  const modules = join(cwd, "node_modules");
  return readdirSync(modules, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

/** Says how much room an installation takes, and holds it to what tools/size-budget.json allows. */
function sized(what: string, cwd: string): void {
  const { slack, installed } = JSON.parse(readFileSync(join(root, "tools", "size-budget.json"), "utf8")) as {
    readonly slack: number;
    readonly installed: Readonly<Record<string, { readonly MB: number; readonly limit?: number }>>;
  };
  const { MB = 0, limit } = installed[what] ?? {};
  const bytes = filesIn(cwd).reduce((sum, path) => sum + statSync(path).size, 0);
  const size = Math.ceil(bytes / 1e6);
  console.log(`${what}: ${size} MB installed (recorded ${MB}, ${limit === undefined ? "no limit" : `limit ${limit}`})`);
  expect(size, `tools/size-budget.json, installed, ${what}`).toBeLessThanOrEqual(
    Math.min(limit ?? Number.POSITIVE_INFINITY, Math.ceil(MB * (1 + slack))),
  );
}
