import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ensureCached } from '#dev/models/cache.ts';
import type { WantedFile } from '#dev/models/catalogue.ts';
import { folderSource } from '#dev/models/folder.ts';
import { type HubOptions, hubSource } from '#dev/models/hub.ts';
import type { Progress } from '#dev/models/progress.ts';
import { FetchError, type Source } from '#dev/models/source.ts';
import { temporaryFolder } from '../support/folder.ts';
import { answersStatus, hubServer, sends, stallsAfter } from './hub-server.ts';

const content = randomBytes(300_000);
const sha256 = createHash('sha256').update(content).digest('hex');
const wanted: WantedFile = { repo: 'owner/repo', file: 'm.gguf', revision: 'main' };
const checked: WantedFile = { ...wanted, bytes: content.length, sha256 };

const silent: Progress = { start: () => undefined, advance: () => undefined, end: () => undefined };

/** Calls back when so many bytes have come. */
function atBytes(bytes: number, callBack: () => void): Progress {
  let received = 0;
  const advance = (more: number) => {
    received += more;
    if (received === bytes) callBack();
  };
  return { ...silent, advance };
}

function fetching(folder: string, sources: readonly Source[], progress = silent) {
  const lines: string[] = [];
  const tools = { progress, log: (line: string) => lines.push(line) };
  return { lines, fetch: (file: WantedFile = checked) => ensureCached(file, { folder, sources, tools }) };
}

const impatientHub = (endpoint: string, options: Partial<HubOptions> = {}) =>
  hubSource({ endpoint, stallMs: 300, pauseMs: 1, ...options });

const patientHub = (endpoint: string) => impatientHub(endpoint, { stallMs: 60_000 });

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
}

describe('the cache', () => {
  it('fetches a file once and leaves nothing else behind', async () => {
    const hub = await hubServer({ answers: [sends(content)] });
    const folder = temporaryFolder();
    const { fetch } = fetching(folder, [impatientHub(hub.endpoint)]);
    const file = await fetch();
    expect(readFileSync(file.path)).toEqual(content);
    expect(file).toMatchObject({ bytes: content.length, sha256 });
    expect(await fetch()).toEqual(file);
    expect(hub.requests.map(({ path }) => path)).toEqual(['/owner/repo/resolve/main/m.gguf']);
    expect(filesIn(folder)).toEqual(['m.gguf', 'm.gguf.json']);
  });

  it('fetches anew what was cut short on disk', async () => {
    const hub = await hubServer({ answers: [sends(content)] });
    const { fetch } = fetching(temporaryFolder(), [impatientHub(hub.endpoint)]);
    const { path } = await fetch();
    writeFileSync(path, content.subarray(0, 1_000));
    await fetch();
    expect(readFileSync(path)).toEqual(content);
  });

  it('fetches once for two that ask at the same time', async () => {
    const hub = await hubServer({ answers: [sends(content)] });
    const folder = temporaryFolder();
    const first = fetching(folder, [impatientHub(hub.endpoint)]);
    const second = fetching(folder, [impatientHub(hub.endpoint)]);
    const files = await Promise.all([first.fetch(), second.fetch()]);
    expect(files[0]).toEqual(files[1]);
    expect(hub.requests).toHaveLength(1);
    expect([...first.lines, ...second.lines]).toEqual([expect.stringContaining('is fetching m.gguf; waiting for it')]);
  });

  it('asks the next source when one does not have the file, and tells why', async () => {
    const hub = await hubServer({ answers: [answersStatus(404)] });
    const mirror = temporaryFolder();
    writeFileSync(join(mirror, 'm.gguf'), content);
    const { fetch, lines } = fetching(temporaryFolder(), [impatientHub(hub.endpoint), folderSource(mirror)]);
    expect(readFileSync((await fetch()).path)).toEqual(content);
    expect(lines).toEqual([expect.stringMatching(/^Not from the hub: 127.* does not have this file \(status 404\)$/)]);
  });

  it('fails with what each source said', async () => {
    const hub = await hubServer({ answers: [answersStatus(404)] });
    const { fetch } = fetching(temporaryFolder(), [folderSource(temporaryFolder()), impatientHub(hub.endpoint)]);
    await expect(fetch()).rejects.toThrow(
      /^m\.gguf cannot be fetched\. the mirror folder .*: m\.gguf is not in .*\. the hub: /,
    );
  });

  it('does not ask further sources where the disk is too small', async () => {
    const full: Source = {
      name: 'a full disk',
      ending: 'full',
      offers: () => true,
      discard: () => Promise.resolve(),
      fetch: () => Promise.reject(new FetchError('no_space', '1 MB free, 2 MB are needed')),
    };
    const { fetch } = fetching(temporaryFolder(), [full, full]);
    await expect(fetch()).rejects.toMatchObject({ code: 'no_space' });
  });
});

describe('a mirror folder', () => {
  it('may keep files by repository', async () => {
    const mirror = temporaryFolder();
    mkdirSync(join(mirror, 'owner/repo'), { recursive: true });
    writeFileSync(join(mirror, 'owner/repo/m.gguf'), content);
    const { fetch } = fetching(temporaryFolder(), [folderSource(mirror)]);
    expect(await fetch()).toMatchObject({ sha256 });
  });

  it('is checked like any other source', async () => {
    const mirror = temporaryFolder();
    writeFileSync(join(mirror, 'm.gguf'), randomBytes(content.length));
    const folder = temporaryFolder();
    const { fetch } = fetching(folder, [folderSource(mirror)]);
    await expect(fetch()).rejects.toThrow(`expected ${sha256}); the file was deleted`);
    expect(filesIn(folder)).toEqual([]);
  });
});

describe('the hub', () => {
  it('continues where a connection broke', async () => {
    const hub = await hubServer({ answers: [stallsAfter(100_000, content), sends(content)] });
    const cut = atBytes(100_000, hub.cutConnections);
    const { fetch, lines } = fetching(temporaryFolder(), [patientHub(hub.endpoint)], cut);
    expect(readFileSync((await fetch()).path)).toEqual(content);
    expect(hub.requests.map(({ from }) => from)).toEqual([0, 100_000]);
    expect(lines).toEqual([expect.stringMatching(/broke off .*; continuing after 0\.1 MB$/)]);
  });

  it('continues where a connection stalled', async () => {
    const hub = await hubServer({ answers: [stallsAfter(100_000, content), sends(content)] });
    const { fetch } = fetching(temporaryFolder(), [impatientHub(hub.endpoint)]);
    expect(readFileSync((await fetch()).path)).toEqual(content);
    expect(hub.requests.map(({ from }) => from)).toEqual([0, 100_000]);
  });

  it('continues what an earlier start began', async () => {
    const folder = temporaryFolder();
    const broken = await hubServer({ answers: [stallsAfter(100_000, content), answersStatus(404)] });
    await expect(fetching(folder, [impatientHub(broken.endpoint)]).fetch()).rejects.toThrow('404');
    expect(filesIn(folder)).toContain('m.gguf.part');
    const hub = await hubServer({ answers: [sends(content)] });
    const { path } = await fetching(folder, [impatientHub(hub.endpoint)]).fetch();
    expect(readFileSync(path)).toEqual(content);
    expect(hub.requests.map(({ from }) => from)).toEqual([100_000]);
    expect(filesIn(folder)).toEqual(['m.gguf', 'm.gguf.json']);
  });

  it('begins anew when the file changed meanwhile', async () => {
    const folder = temporaryFolder();
    const old = await hubServer({
      etag: '"old"',
      answers: [stallsAfter(100_000, randomBytes(300_000)), answersStatus(404)],
    });
    await expect(fetching(folder, [impatientHub(old.endpoint)]).fetch(wanted)).rejects.toThrow('404');
    const hub = await hubServer({ etag: '"new"', answers: [sends(content)] });
    expect(readFileSync((await fetching(folder, [impatientHub(hub.endpoint)]).fetch(wanted)).path)).toEqual(content);
    expect(hub.requests.map(({ from }) => from)).toEqual([0]);
  });

  it('begins anew when the server continues at another place than asked', async () => {
    const lies = sends(content);
    const hub = await hubServer({
      answers: [
        stallsAfter(100_000, content),
        (request, response) => lies({ ...request, from: 50_000, isContinuation: true }, response),
        sends(content),
      ],
    });
    const { fetch } = fetching(temporaryFolder(), [impatientHub(hub.endpoint)]);
    expect(readFileSync((await fetch()).path)).toEqual(content);
    expect(hub.requests.map(({ from }) => from)).toEqual([0, 100_000, 0]);
  });

  it('takes a download that was complete but not yet checked', async () => {
    const folder = temporaryFolder();
    const part = join(folder, 'owner/repo/main/m.gguf.part');
    mkdirSync(dirname(part), { recursive: true });
    writeFileSync(part, content);
    writeFileSync(`${part}.etag`, '"v1"');
    const hub = await hubServer({ answers: [answersStatus(416, { 'content-range': `bytes */${content.length}` })] });
    const { path } = await fetching(folder, [impatientHub(hub.endpoint)]).fetch();
    expect(readFileSync(path)).toEqual(content);
  });

  it('tries again after a busy answer, and gives up when nothing comes', async () => {
    const hub = await hubServer({ answers: [answersStatus(503)] });
    const { fetch } = fetching(temporaryFolder(), [impatientHub(hub.endpoint, { attempts: 3 })]);
    await expect(fetch()).rejects.toThrow('answered with status 503');
    expect(hub.requests).toHaveLength(3);
  });

  it('gives up at once where nobody listens', async () => {
    const { fetch, lines } = fetching(temporaryFolder(), [impatientHub('http://127.0.0.1:1', { pauseMs: 60_000 })]);
    await expect(fetch()).rejects.toThrow('ECONNREFUSED');
    expect(lines).toEqual([expect.stringContaining('Not from the hub')]);
  });

  it('is not believed when the bytes are others than pinned', async () => {
    const folder = temporaryFolder();
    const hub = await hubServer({ answers: [sends(randomBytes(content.length))] });
    const { fetch, lines } = fetching(folder, [impatientHub(hub.endpoint)]);
    await expect(fetch()).rejects.toThrow('wrong checksum');
    expect(lines).toEqual([expect.stringContaining('the file was deleted')]);
    expect(filesIn(folder)).toEqual([]);
  });

  it('is refused early when the size is another than pinned', async () => {
    const hub = await hubServer({ answers: [sends(content.subarray(1))] });
    const { fetch } = fetching(temporaryFolder(), [impatientHub(hub.endpoint)]);
    await expect(fetch()).rejects.toThrow(`has ${content.length - 1} bytes of this file instead of ${content.length}`);
  });

  it("checks unknown files by the hub's own checksum, told on the way to the bytes", async () => {
    const store = await hubServer({ answers: [sends(content)] });
    const redirect = (checksum: string) =>
      answersStatus(302, { location: `${store.endpoint}/bytes`, 'x-linked-etag': `"${checksum}"` });
    const honest = await hubServer({ answers: [redirect(sha256)] });
    expect(await fetching(temporaryFolder(), [impatientHub(honest.endpoint)]).fetch(wanted)).toMatchObject({ sha256 });
    const lying = await hubServer({ answers: [redirect('0'.repeat(64))] });
    await expect(fetching(temporaryFolder(), [impatientHub(lying.endpoint)]).fetch(wanted)).rejects.toThrow(
      'wrong checksum',
    );
  });

  it('gets the token, the store it redirects to does not', async () => {
    const store = await hubServer({ answers: [sends(content)] });
    const hub = await hubServer({ answers: [answersStatus(302, { location: `${store.endpoint}/bytes` })] });
    await fetching(temporaryFolder(), [impatientHub(hub.endpoint, { token: 'secret' })]).fetch();
    expect(hub.requests[0]?.headers.authorization).toBe('Bearer secret');
    expect(store.requests[0]?.headers.authorization).toBeUndefined();
  });

  it('says what a file behind a login needs', async () => {
    const hub = await hubServer({ answers: [answersStatus(401)] });
    await expect(fetching(temporaryFolder(), [impatientHub(hub.endpoint)]).fetch()).rejects.toThrow('HF_TOKEN');
  });

  it('says how much room is missing before it downloads', async () => {
    const folder = temporaryFolder();
    const hub = await hubServer({
      answers: [(_request, response) => void response.writeHead(200, { 'content-length': 2 ** 52 }).flushHeaders()],
    });
    const { fetch } = fetching(folder, [impatientHub(hub.endpoint)]);
    await expect(fetch(wanted)).rejects.toThrow(/ MB free, 4503599627 MB are needed$/);
    expect(filesIn(folder)).toEqual([]);
  });

  it('ends when asked to and keeps what it has', async () => {
    const folder = temporaryFolder();
    const controller = new AbortController();
    const hub = await hubServer({ answers: [stallsAfter(100_000, content)] });
    const progress = atBytes(100_000, () => controller.abort());
    const tools = { progress, log: () => undefined, signal: controller.signal };
    const fetched = ensureCached(checked, { folder, sources: [patientHub(hub.endpoint)], tools });
    await expect(fetched).rejects.toThrow('aborted');
    const part = join(folder, 'owner/repo/main/m.gguf.part');
    expect(statSync(part).size).toBe(100_000);
    expect(existsSync(join(folder, 'owner/repo/main/m.gguf.lock'))).toBe(false);
  });
});
