/** A byte-level BPE vocabulary small enough for tests: 256 bytes, the tokens of a few merges, ChatML's control tokens. */

export const TokenType = { normal: 1, control: 3 };

export interface Vocabulary {
  tokens: readonly string[];
  types: readonly number[];
  merges: readonly string[];
}

export const CONTROL_TOKENS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const;

/** The letters of these words are merged from left to right, so each word and each of its beginnings is one token. */
const WORDS = [' the', ' and', ' of', ' to', 'ing', 'er', 'user', 'system', 'assistant', 'hello', ' world', 'é', '世'];

export function tinyVocabulary(): Vocabulary {
  const bytes = Array.from({ length: 256 }, (_, byte) => byteSymbol(byte));
  const merges: string[] = [];
  for (const word of WORDS) {
    const symbols = [...Buffer.from(word, 'utf8')].map(byteSymbol);
    let merged = symbols[0]!;
    for (const symbol of symbols.slice(1)) {
      merges.push(`${merged} ${symbol}`);
      merged += symbol;
    }
  }
  const uniqueMerges = [...new Set(merges)];
  const mergedTokens = [...new Set(uniqueMerges.map((merge) => merge.replace(' ', '')))];
  const ordinary = [...bytes, ...mergedTokens];
  return {
    tokens: [...ordinary, ...CONTROL_TOKENS],
    types: [...ordinary.map(() => TokenType.normal), ...CONTROL_TOKENS.map(() => TokenType.control)],
    merges: uniqueMerges,
  };
}

/** GPT-2 writes each byte as one printable character: itself where printable, else U+0100 and following. */
function byteSymbol(byte: number): string {
  if (isPrintable(byte)) {
    return String.fromCharCode(byte);
  }
  let unprintableBefore = 0;
  for (let other = 0; other < byte; other += 1) {
    if (!isPrintable(other)) {
      unprintableBefore += 1;
    }
  }
  return String.fromCharCode(0x100 + unprintableBefore);
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}
