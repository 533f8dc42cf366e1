// Makes dist/ of src/: the same bytes wherever it runs, and beside each file its digest, which a test of the daemon holds.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, statSync, writeFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const page = dirname(fileURLToPath(import.meta.url));
const dist = join(page, "dist");
const digest = (content) => createHash("sha256").update(content).digest("hex");

function filesUnder(place) {
  return readdirSync(place).flatMap((name) => {
    const path = join(place, name);
    return statSync(path).isDirectory() ? filesUnder(path) : [path];
  });
}

/** One digest over the digests of all that the bundle is made of. */
function digestOfSources() {
  const named = ["package-lock.json", "package.json", "build.mjs", "tsconfig.json"].map((name) => join(page, name));
  const names = [...named, ...filesUnder(join(page, "src"))].map((path) => relative(page, path)).sort();
  const lines = names.map((name) => `${digest(readFileSync(join(page, name)))} ${name}\n`);
  return digest(lines.join(""));
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
await build({
  absWorkingDir: page,
  entryPoints: { page: "src/main.tsx" },
  outdir: dist,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  logLevel: "warning",
});
for (const name of ["index.html", "icon.svg"]) copyFileSync(join(page, "src", name), join(dist, name));
let whole = Buffer.alloc(0);
for (const path of filesUnder(dist)) {
  const content = readFileSync(path);
  whole = Buffer.concat([whole, content]);
  writeFileSync(`${path}.sha256`, digest(content));
}
writeFileSync(join(dist, "sources.sha256"), digestOfSources());
console.log(`${whole.length} bytes, ${gzipSync(whole, { level: 9 }).length} compressed`);
