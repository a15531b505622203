// Builds everything the browser loads into .build/assets: CSS, ES modules, fonts, one icon sprite.
// Names stay stable here; Django's manifest storage adds the content hash. Chunks carry their own hash.
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const source = dirname(fileURLToPath(import.meta.url));
const root = dirname(source);
const target = process.argv[2] ?? join(root, ".build", "assets");

async function filesIn(folder, extension) {
  const path = join(source, folder);
  if (!existsSync(path)) return [];
  const names = await readdir(path);
  return names.filter((name) => name.endsWith(extension)).map((name) => join(path, name));
}

async function findEntries() {
  const entries = {};
  for (const [folder, extension] of [["js", ".js"], ["js/pages", ".js"], ["css", ".css"], ["css/pages", ".css"]]) {
    for (const path of await filesIn(folder, extension)) {
      const name = path.slice(source.length + 1, -extension.length);
      if (!name.split("/").pop().startsWith("_")) entries[name] = path;
    }
  }
  const chat = join(source, "js", "chat", "index.js");
  if (existsSync(chat)) entries["js/chat"] = chat;
  return entries;
}

async function buildSprite() {
  const list = await readFile(join(source, "icons.txt"), "utf8");
  const names = [...new Set(list.split("\n").map((line) => line.trim()).filter((line) => line && !line.startsWith("#")))];
  const symbols = await Promise.all(names.sort().map(symbolOf));
  await writeFile(join(target, "icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`);
  await copyIconFont(names);
}

// The same icons as a font, for pictures that the server draws; no page loads it.
async function copyIconFont(names) {
  const font = join(root, "node_modules", "lucide-static", "font");
  const codes = JSON.parse(await readFile(join(font, "codepoints.json"), "utf8"));
  const ours = Object.fromEntries(names.filter((name) => name in codes).map((name) => [name, codes[name]]));
  await writeFile(join(target, "fonts", "icons.json"), JSON.stringify(ours));
  await writeFile(join(target, "fonts", "icons.woff2"), await readFile(join(font, "lucide.woff2")));
}

async function symbolOf(name) {
  const own = join(source, "icons", `${name}.svg`);
  const path = existsSync(own) ? own : join(root, "node_modules", "lucide-static", "icons", `${name}.svg`);
  if (!existsSync(path)) throw new Error(`assets/icons.txt names "${name}", which Lucide does not have`);
  const body = (await readFile(path, "utf8")).replace(/<!--.*?-->/gs, "").replace(/^[^]*?<svg[^>]*>/, "").replace("</svg>", "");
  return `<symbol id="${name}" viewBox="0 0 24 24">${body.replace(/\s*\n\s*/g, "")}</symbol>`;
}

async function copyImages() {
  for (const path of await filesIn("images", "")) {
    await mkdir(join(target, "images"), { recursive: true });
    await writeFile(join(target, "images", path.split("/").pop()), await readFile(path));
  }
}

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
await esbuild.build({
  entryPoints: await findEntries(),
  outdir: target,
  bundle: true,
  splitting: true,
  format: "esm",
  minify: true,
  target: ["es2022"],
  loader: { ".woff2": "file" },
  assetNames: "fonts/[name]",
  chunkNames: "js/chunks/[name]-[hash]",
  logLevel: "warning",
  legalComments: "none",
});
// The widget's loader runs on other people's pages: one classic script, of its own.
await esbuild.build({
  entryPoints: { widget: join(source, "widget", "loader", "index.js") },
  outdir: join(target, "widget"),
  bundle: true,
  format: "iife",
  minify: true,
  target: ["es2022"],
  logLevel: "warning",
  legalComments: "none",
});
await buildSprite();
await copyImages();
