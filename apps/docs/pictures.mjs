// Makes the pictures of README and these pages anew, after a build, with any model:
//
//   node apps/docs/pictures.mjs [MODEL]
//
// They show what the project can do, so they say what made them: each is made by the command that stands below it, in
// which MODEL takes the place of the model that was named. What a caption says of the masks is for whoever looks at them.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Each page's ```sh run commands, in their order, and the pictures that they make. */
const pictures = [{ page: "README.md", made: "scene.overlay.png", shown: "examples/scene.overlay.png" }];

const [model = "nano", ...more] = process.argv.slice(2);
if (more.length > 0) {
  console.error("usage: node apps/docs/pictures.mjs [MODEL]");
  process.exit(2);
}

const out = mkdtempSync(join(tmpdir(), "masklet-pictures-"));
try {
  for (const { page, made, shown } of pictures) {
    const text = readFileSync(join(root, page), "utf8");
    const changed = text.replace(/^```sh run\n[\s\S]*?^```$/m, (block) =>
      block.replace(/--model \S+/, `--model ${model}`),
    );
    const [, command = ""] = /^```sh run\n([\s\S]*?)^```$/m.exec(changed) ?? [];
    const [program, ...args] = command.replaceAll("\\\n", " ").trim().split(/\s+/);
    if (program !== "masklet" || !args.includes(model)) throw new Error(`${page}: no command that names a model`);
    const folder = args.indexOf("-o") + 1;
    args[folder] = out;
    const { status } = spawnSync(process.execPath, [join(root, "packages/cli/dist/main.js"), ...args], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    });
    if (status !== 0) throw new Error(`${page}: its command ended with ${status}`);
    copyFileSync(join(out, made), join(root, shown));
    writeFileSync(join(root, page), changed);
    console.log(`${shown}: ${model}`);
  }
} finally {
  rmSync(out, { recursive: true, force: true });
}
