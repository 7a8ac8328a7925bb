// Builds the native addon into engine/build/sluice.node. Plain JavaScript without dependencies: it runs before, and
// apart from, everything else. Does nothing when no source changed; objects and the finished addon are cached by
// content for all checkouts.
// Usage: node engine/build.mjs [--force]
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const engine = dirname(fileURLToPath(import.meta.url));
const root = dirname(engine);
const native = join(engine, 'native');
const output = join(engine, 'build');
const modules = join(root, 'node_modules');
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'sluice');

/** The npm package that carries llama.cpp's sources, and the release of the prebuilt libraries that match them. */
const LLAMA = {
  package: 'node-llama-cpp',
  version: '3.22.1',
  release: 'v0.5.0',
  sha512: 'bltIipuWmc123H7tMIgDGKSsSrhmhlQYeVUC48XTjVW7XGJJiJJyCdlTMzQ/LiWoPkGDpcL4FviDpgw7qfTiDw==',
  headers: ['include', 'ggml/include', 'common', 'vendor/nlohmann'],
};

const PLATFORMS = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-arm64': 'mac-arm64-metal',
};

const FLAGS = [
  '-std=c++17',
  '-O2',
  '-fPIC',
  '-fvisibility=hidden',
  '-Wall',
  '-Wextra',
  '-DNAPI_VERSION=9',
  '-DNAPI_CPP_EXCEPTIONS',
  '-pthread',
];
/** Flags of single files. */
const EXTRA_FLAGS = { 'weights.cc': ['-O3', '-ffast-math'] };

const exists = (path) =>
  access(path).then(
    () => true,
    () => false,
  );
const sha256 = (...parts) =>
  parts
    .reduce((hash, part) => hash.update(part).update('\0'), createHash('sha256'))
    .digest('hex')
    .slice(0, 32);

async function writeAtomically(path, write) {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await write(temporary);
  await rename(temporary, path);
}

/** The platform package's folder of prebuilt libraries; fetched into the cache where npm could not install it. */
async function findLibraries(log) {
  const platform = PLATFORMS[`${process.platform}-${process.arch}`];
  if (!platform)
    throw new Error(
      `no prebuilt llama.cpp for ${process.platform} ${process.arch}; supported: ${Object.keys(PLATFORMS).join(', ')}`,
    );
  const installed = join(modules, '@node-llama-cpp', platform, 'bins', platform);
  if (await exists(installed)) return installed;
  const name = `@node-llama-cpp/${platform}`;
  const folder = join(cache, 'packages', `${platform}-${LLAMA.version}`);
  if (!(await exists(folder))) {
    log(`fetching ${name}@${LLAMA.version}`);
    await unpack(`${name}@${LLAMA.version}`, undefined, (temporary) => rename(join(temporary, 'package'), folder));
  }
  return join(folder, 'bins', platform);
}

/** Packs an npm package, checks its sha512 where one is given, and hands over the folder it is unpacked in. */
async function unpack(specifier, sha512, use) {
  await mkdir(join(cache, 'packages'), { recursive: true });
  const temporary = await mkdtemp(join(cache, 'packages', '.unpack-'));
  try {
    const { stdout } = await run('npm', ['pack', '--json', '--silent', specifier], {
      cwd: temporary,
      shell: process.platform === 'win32',
    });
    const [{ filename }] = Object.values(JSON.parse(stdout));
    const archive = join(temporary, filename.replace('@', '').replace('/', '-'));
    const actual = createHash('sha512')
      .update(await readFile(archive))
      .digest('base64');
    if (sha512 && actual !== sha512) throw new Error(`${specifier} has sha512 ${actual}, expected ${sha512}`);
    await run('tar', ['xzf', archive, '-C', temporary]);
    await use(temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** llama.cpp's headers of the release the libraries were built from. */
async function findHeaders(log) {
  const folder = join(cache, 'packages', `llama.cpp-${LLAMA.release}-headers`);
  if (await exists(folder)) return folder;
  log(`fetching llama.cpp ${LLAMA.release} headers (36 MB, once)`);
  await unpack(`${LLAMA.package}@${LLAMA.version}`, LLAMA.sha512, async (temporary) => {
    const source = join(temporary, 'llama.cpp');
    await run('git', ['clone', '--quiet', join(temporary, 'package', 'llama', 'gitRelease.bundle'), source]);
    const headers = join(temporary, 'headers');
    const isHeader = (path) => !/\.[a-z]+$/.test(path) || /\.(h|hpp)$/.test(path);
    for (const part of LLAMA.headers)
      await cp(join(source, part), join(headers, part), { recursive: true, filter: isHeader });
    if (!(await exists(folder))) await rename(headers, folder);
  });
  return folder;
}

async function readSources() {
  const names = (await readdir(native)).filter((name) => /\.(cc|h)$/.test(name)).sort();
  const files = await Promise.all(
    names.map(async (name) => ({ name, text: await readFile(join(native, name), 'utf8') })),
  );
  return {
    units: files.filter(({ name }) => name.endsWith('.cc')),
    headers: files
      .filter(({ name }) => name.endsWith('.h'))
      .map(({ text }) => text)
      .join(''),
  };
}

async function compile(unit, { key, includes, compiler, log }) {
  const object = join(cache, 'objects', `${unit.name}-${sha256(key, unit.text)}.o`);
  if (await exists(object)) return object;
  log(`compiling ${unit.name}`);
  await writeAtomically(object, (temporary) =>
    run(
      compiler,
      [
        ...FLAGS,
        ...(EXTRA_FLAGS[unit.name] ?? []),
        ...includes.flatMap((path) => ['-isystem', path]),
        '-c',
        join(native, unit.name),
        '-o',
        temporary,
      ],
      { maxBuffer: 1 << 26 },
    ),
  );
  return object;
}

async function forEachParallel(items, limit, work) {
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

async function link(objects, libraries, target, compiler) {
  const isMac = process.platform === 'darwin';
  const files = (await readdir(libraries)).filter((name) =>
    /^lib(llama|ggml|ggml-base|llama-common)(\.v[\d.]+)?\.(so|dylib)$/.test(name),
  );
  // Relative, so that a cached addon works in every checkout.
  const origin = isMac ? '@loader_path' : '$ORIGIN';
  const inside = libraries.startsWith(modules) ? `${origin}/${relative(output, libraries)}` : libraries;
  await run(
    compiler,
    [
      '-shared',
      '-o',
      target,
      ...objects,
      ...files.map((name) => join(libraries, name)),
      `-Wl,-rpath,${inside}`,
      '-pthread',
      ...(isMac ? ['-undefined', 'dynamic_lookup'] : []),
    ],
    { maxBuffer: 1 << 26 },
  );
}

/**
 * Builds the addon when its sources, flags or libraries changed.
 * @param {{ log?: (line: string) => void, force?: boolean }} [options]
 * @returns {Promise<boolean>} whether anything had to be done
 */
export async function buildAddon({ log = () => {}, force = false } = {}) {
  const compiler = process.env.CXX || 'c++';
  const { units, headers } = await readSources();
  const dependencies = await Promise.all(
    ['node-addon-api', 'node-api-headers'].map((name) => readFile(join(modules, name, 'package.json'), 'utf8')),
  );
  const key = sha256(
    process.platform,
    process.arch,
    compiler,
    LLAMA.version,
    ...FLAGS,
    JSON.stringify(EXTRA_FLAGS),
    headers,
    ...dependencies.map((text) => JSON.parse(text).version),
  );
  const stamp = sha256(key, ...units.flatMap(({ name, text }) => [name, text]));
  const target = join(output, 'sluice.node');
  const stampFile = join(output, 'stamp');
  const current = await readFile(stampFile, 'utf8').catch(() => '');
  if (!force && current === stamp && (await exists(target))) return false;

  const libraries = await findLibraries(log);
  const addon = join(cache, 'addons', `${stamp}.node`);
  if (force || !(await exists(addon))) {
    const llama = await findHeaders(log);
    const includes = [
      join(modules, 'node-addon-api'),
      join(modules, 'node-api-headers', 'include'),
      ...LLAMA.headers.map((part) => join(llama, part)),
      join(llama, 'vendor'),
    ];
    const objects = await forEachParallel(units, availableParallelism(), (unit) =>
      compile(unit, { key, includes, compiler, log }),
    );
    await writeAtomically(addon, (temporary) => link(objects, libraries, temporary, compiler));
  }
  await mkdir(output, { recursive: true });
  await writeAtomically(target, (temporary) => copyFile(addon, temporary));
  await writeAtomically(join(output, 'libraries.json'), (temporary) =>
    writeFile(temporary, JSON.stringify(relative(output, libraries))),
  );
  await writeAtomically(stampFile, (temporary) => writeFile(temporary, stamp));
  return true;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const built = await buildAddon({ log: console.log, force: process.argv.includes('--force') });
    console.log(built ? 'engine/build/sluice.node is built' : 'engine/build/sluice.node is up to date');
  } catch (error) {
    console.error(error.stderr ? String(error.stderr) : error.message);
    process.exitCode = 1;
  }
}
