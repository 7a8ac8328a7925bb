// Completes package-lock.json after `npm install` on a machine whose registry mirror lacks other platforms' binaries:
// npm leaves such optional packages out of the lock file, and `npm ci` then refuses it everywhere.
// Usage: node dev/lockfile.mjs
import { readFileSync, writeFileSync } from 'node:fs';

const platforms = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = ['arm64', 'x64', 'arm', 'ia32', 'riscv64', 's390x', 'ppc64', 'loong64', 'wasm32'];

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
const added = [];
for (const entry of Object.values({ ...lock.packages })) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (lock.packages[place]) continue;
    const words = name.replace('mac-', 'darwin-').split(/[/-]/);
    lock.packages[place] = {
      version,
      cpu: [
        processors.find((cpu) => words.some((word) => word === cpu || (cpu === 'arm' && /^arm(eabi)?/.test(word)))) ??
          'none',
      ],
      optional: true,
      os: [platforms.find((os) => words.includes(os)) ?? 'none'],
      ...(words.includes('musl') ? { libc: ['musl'] } : {}),
      ...(words.includes('gnu') ? { libc: ['glibc'] } : {}),
    };
    added.push(name);
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length === 0 ? 'package-lock.json is complete' : `added ${added.length}: ${added.join(', ')}`);
