// SPDX-License-Identifier: Apache-2.0
// Builds the page: node build.mjs --out DIR [--c FILE.c] [--depfile FILE] [--dev]
//
// DIR gets index.html and content-hashed files, each with a .gz beside it; FILE.c a table of them for
// the server (src/api/ui_files.h), the bytes pulled in by the assembler. npm ci runs first when
// package-lock.json is not what node_modules was made from. Needs Node 18.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const root = path.dirname(fileURLToPath(import.meta.url));
const TYPES = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml',
};

const flag = (name) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const sha = (data) => createHash('sha256').update(data).digest('hex');

/** Installs what package-lock.json names, once per lock file; two builds at a time take turns. */
async function install() {
  const lock = sha(fs.readFileSync(path.join(root, 'package-lock.json')));
  const stamp = path.join(root, 'node_modules', '.weir-lock');
  const fresh = () => fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === lock;
  const turn = path.join(root, '.npm-turn');
  for (let waited = 0; !fresh(); waited++) {
    try {
      fs.mkdirSync(turn);
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (waited > 1200) throw new Error(`${turn} is in the way: remove it if no other build is running`);
      await new Promise((done) => setTimeout(done, 100));
      continue;
    }
    try {
      if (!fresh()) {
        const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
        execFileSync(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
                     { cwd: root, stdio: ['ignore', 2, 2] });
        fs.writeFileSync(stamp, lock);
      }
    } finally {
      fs.rmdirSync(turn);
    }
  }
}

/** Bundles; gives {name → bytes}, and the list of own source files for the depfile. */
async function bundle(dev) {
  const esbuild = await import(pathToFileURL(path.join(root, 'node_modules/esbuild/lib/main.js')).href);
  const result = await esbuild.build({
    absWorkingDir: root,
    entryPoints: { app: 'src/main.tsx', boot: 'src/boot.ts', style: 'src/app.css' },
    bundle: true, splitting: true, format: 'esm', target: 'es2022', outdir: 'out', write: false,
    entryNames: '[name]-[hash]', chunkNames: 'chunk-[hash]', metafile: true, legalComments: 'none',
    jsx: 'automatic', jsxImportSource: 'preact', minify: !dev, sourcemap: dev ? 'inline' : false,
    logLevel: 'warning',
  });
  const files = new Map();
  const entry = {};
  for (const output of result.outputFiles) {
    const name = path.basename(output.path);
    files.set(name, Buffer.from(output.contents));
    const kind = /^(app|boot|style)-/.exec(name)?.[1];
    if (kind) entry[kind === 'style' ? 'css' : kind] = name;
  }
  const icon = fs.readFileSync(path.join(root, 'src/icon.svg'));
  entry.icon = `icon-${sha(icon).slice(0, 8)}.svg`;
  files.set(entry.icon, icon);
  const html = fs.readFileSync(path.join(root, 'src/index.html'), 'utf8')
    .replace(/\{\{(\w+)\}\}/g, (_, key) => entry[key]);
  files.set('index.html', Buffer.from(html));
  const sources = Object.keys(result.metafile.inputs).filter((f) => !f.startsWith('node_modules/'));
  return { files, sources: [...sources, 'src/index.html', 'src/icon.svg'] };
}

function writeDir(files, dir) {
  fs.mkdirSync(dir, { recursive: true });
  for (const old of fs.readdirSync(dir)) if (!files.has(old.replace(/\.gz$/, ''))) fs.rmSync(path.join(dir, old));
  const table = [];
  for (const [name, bytes] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const gz = gzipSync(bytes, { level: 9 });
    fs.writeFileSync(path.join(dir, name), bytes);
    fs.writeFileSync(path.join(dir, `${name}.gz`), gz);
    table.push({ name, bytes, gz, type: TYPES[path.extname(name)], etag: sha(bytes).slice(0, 20) });
  }
  return table;
}

/** The table in C. The hash in each line makes the object file follow the content of the files. */
function cSource(table, dir) {
  const bytes = (symbol, file) => {
    const from = path.resolve(dir, file).replace(/["\\]/g, '\\\\\\$&');
    return `    ".globl ${symbol}\\n.hidden ${symbol}\\n.p2align 4\\n${symbol}:\\n"\n    ".incbin \\"${from}\\"\\n"\n`;
  };
  const rows = table.map((f, i) =>
    `    {"${f.name}", "${f.type}", "\\"${f.etag}\\"", weir_ui_b${i}, ${f.bytes.length}, weir_ui_z${i}, ${f.gz.length}},\n`);
  return `/* Written by ui/build.mjs. */\n#include "api/ui_files.h"\n\n__asm__(".section .rodata\\n"\n` +
    table.map((f, i) => bytes(`weir_ui_b${i}`, f.name) + bytes(`weir_ui_z${i}`, `${f.name}.gz`)).join('') +
    `    ".previous\\n");\n\n` +
    table.map((_, i) => `extern const unsigned char weir_ui_b${i}[];\nextern const unsigned char weir_ui_z${i}[];\n`).join('') +
    `\nconst struct weir_ui_file weir_ui_files[] = {\n${rows.join('')}};\n` +
    `const size_t weir_ui_files_count = ${table.length};\n`;
}

async function main() {
  const out = path.resolve(flag('out') ?? path.join(root, 'dist'));
  await install();
  const { files, sources } = await bundle(process.argv.includes('--dev'));
  const table = writeDir(files, out);
  const cFile = flag('c');
  if (cFile) fs.writeFileSync(cFile, cSource(table, out));
  const depfile = flag('depfile');
  if (depfile && cFile) {
    const deps = sources.map((f) => path.join(root, f).replace(/ /g, '\\ ')).join(' \\\n  ');
    fs.writeFileSync(depfile, `${cFile}: ${deps}\n`);
  }
  if (!cFile) {
    const kb = (n) => `${(n / 1024).toFixed(1)} KiB`.padStart(11);
    for (const f of table) console.log(`${f.name.padEnd(24)}${kb(f.bytes.length)}${kb(f.gz.length)} gz`);
  }
}

main().catch((error) => {
  console.error(`ui/build.mjs: ${error.message}`);
  process.exit(1);
});
