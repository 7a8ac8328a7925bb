import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { productionPackages } from '#dev/notices.mjs';

it('names every package that production needs, in the version that is locked', () => {
  const notices = readFileSync(new URL('../../THIRD_PARTY_NOTICES.md', import.meta.url), 'utf8');
  const packages = productionPackages();
  expect(packages.map(({ name }) => name)).toContain('zod');
  const missing = packages.filter(({ name, version }) => !notices.includes(`| ${name}@${version} |`));
  expect(missing, 'run node dev/notices.mjs').toEqual([]);
});
