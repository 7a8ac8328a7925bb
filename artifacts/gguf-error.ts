export type GgufErrorCode =
  | 'file_missing'
  /** Does not begin with GGUF's magic. */
  | 'not_gguf'
  /** Older than 2, newer than 3, or of the other byte order. */
  | 'unsupported_version'
  /** Shorter than its header says. */
  | 'truncated'
  /** Begins like a GGUF file but breaks the format's rules or this reader's bounds. */
  | 'malformed';

/** A file that cannot be used as a model; the message is one line for a person. */
export class GgufError extends Error {
  readonly code: GgufErrorCode;
  /** With `truncated`: bytes the file must have at least, and bytes it has. */
  readonly sizes: { expected: number; actual: number } | undefined;

  constructor(code: GgufErrorCode, message: string, options: ErrorOptions & { sizes?: GgufError['sizes'] } = {}) {
    super(message, options);
    this.name = 'GgufError';
    this.code = code;
    this.sizes = options.sizes;
  }
}
