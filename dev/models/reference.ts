import { basename } from 'node:path';
import { OptionError } from '../option-values.mjs';

/** A model file on the Hugging Face hub, as `hf:owner/repo/file` names it. */
export interface HubReference {
  /** `owner/repo`. */
  repo: string;
  /** Path inside the repository. */
  file: string;
}

const HUB_PREFIX = 'hf:';
const SPLIT = /-(\d{5})-of-(\d{5})(?=\.gguf$)/;
const QUANTISATION = /[.-](i?q\d\w*|f32|f16|bf16|mxfp4)$/;

export const isHubReference = (model: string): boolean => model.startsWith(HUB_PREFIX);

/** @throws {OptionError} for anything but `hf:owner/repo/file` */
export function parseHubReference(model: string): HubReference {
  const [owner, name, ...path] = model.slice(HUB_PREFIX.length).split('/');
  const isPlain = [owner, name, ...path].every((part) => part && /^[\w.-]+$/.test(part) && !/^\.+$/.test(part));
  if (!isPlain || path.length === 0) throw new OptionError(`--model ${model} is not of the form hf:owner/repo/file`);
  return { repo: `${owner}/${name}`, file: path.join('/') };
}

/** All parts of a model that is split over several files, in order; a model in one file is its only part. */
export function splitParts(file: string): string[] {
  const count = Number(SPLIT.exec(file)?.[2] ?? 1);
  if (count === 1) return [file];
  return Array.from({ length: count }, (_, index) =>
    file.replace(SPLIT, (_match, _part, total) => `-${String(index + 1).padStart(5, '0')}-of-${total}`),
  );
}

/** The model id clients use where no alias is given: the file's name without part, ending and quantisation. */
export function modelIdOf(file: string): string {
  const name = basename(file)
    .replace(SPLIT, '')
    .replace(/\.gguf$/i, '')
    .toLowerCase();
  const id = name
    .replace(QUANTISATION, '')
    .replace(/[^a-z0-9._:-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  return id.slice(0, 128) || 'model';
}
