// SPDX-License-Identifier: Apache-2.0
// Loads a TypeScript module of the page into Node, by way of esbuild.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import * as esbuild from 'esbuild';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..', 'src');

export async function load(module) {
  const result = await esbuild.build({
    entryPoints: [path.join(root, module)], bundle: true, format: 'esm', platform: 'node',
    target: 'es2022', write: false, jsx: 'automatic', jsxImportSource: 'preact',
  });
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'weir-ui-'));
  const file = path.join(dir, 'module.mjs');
  fs.writeFileSync(file, result.outputFiles[0].contents);
  try {
    return await import(pathToFileURL(file).href);
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}
