/**
 * The simulated model's vocabulary: 256 single bytes, word pieces, and control tokens. Some pieces are the first bytes
 * of a character whose rest is another token, so that text crosses token borders as real vocabularies make it do.
 */
import { EngineError } from '../types.ts';

const WORDS = `the of and to in is was that for it with as his on be at by had not are but from or have an they which one
you were all her she there would their we him been has when who will no more if out so up said what its about than into
them can only other time new some could these two may first then do any like my now over such our man me even most made
after also did many off before must well back through years much where your way down should because long each just
state people too mr how little good world make very year still see own work men day get here old life both between
being under three never know same last another while us might great go come since against right came take used`;
const WHOLE_PIECES = [', ', '. ', '! ', '? ', '\n', '\n\n', ' naïve', ' café', '—', '日本', '語', '😀', ' é'];
/** Characters of which the first bytes are one token and the last bytes another. */
const SPLIT_CHARACTERS = [
  { character: '漢', headBytes: 2 },
  { character: '字', headBytes: 1 },
  { character: 'ö', headBytes: 1 },
  { character: '🚀', headBytes: 2 },
  { character: '🙂', headBytes: 3 },
];
const CONTROL_TEXTS = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];

/** UTF-8 bytes, one per character of a JavaScript string: pieces as map keys, comparable and easy to cut. */
const toBytes = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

const bytesOfToken: string[] = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
const tokenOfBytes = new Map(bytesOfToken.map((bytes, token) => [bytes, token]));
const tailOfHead = new Map<number, number>();
/** Tokens the simulated model picks among: whole characters, and heads of characters whose tail it picks next. */
const spokenTokens: number[] = [];

function addPiece(bytes: string): number {
  const known = tokenOfBytes.get(bytes);
  if (known !== undefined) return known;
  const token = bytesOfToken.push(bytes) - 1;
  tokenOfBytes.set(bytes, token);
  return token;
}

for (const word of WORDS.split(/\s+/)) {
  spokenTokens.push(addPiece(toBytes(` ${word}`)));
  addPiece(toBytes(word));
}
for (const piece of WHOLE_PIECES) spokenTokens.push(addPiece(toBytes(piece)));
for (const { character, headBytes } of SPLIT_CHARACTERS) {
  const bytes = toBytes(character);
  const head = addPiece(bytes.slice(0, headBytes));
  tailOfHead.set(head, addPiece(bytes.slice(headBytes)));
  spokenTokens.push(head);
}

const firstControl = bytesOfToken.length;
const longestPiece = Math.max(...bytesOfToken.map((bytes) => bytes.length));

const lineBreak = tokenOfBytes.get('\n')!;
const controlToken = (text: string) => firstControl + CONTROL_TEXTS.indexOf(text);

export const vocabulary = {
  size: firstControl + CONTROL_TEXTS.length,
  beginOfText: controlToken('<|endoftext|>'),
  messageStart: controlToken('<|im_start|>'),
  /** End of generation. */
  messageEnd: controlToken('<|im_end|>'),
  lineBreak,
  spokenTokens,
  /** The token that completes the character which `head` begins. */
  tailOf: (head: number): number | undefined => tailOfHead.get(head),
};

/** A token's bytes, one per character; none for control tokens, whose text is not part of an output. */
export function bytesOf(token: number): string {
  if (!Number.isInteger(token) || token < 0 || token >= vocabulary.size) {
    throw new EngineError('invalid_argument', `token ${token} is not in the vocabulary of ${vocabulary.size}`);
  }
  return bytesOfToken[token] ?? '';
}

/** Longest piece first, bytes where no piece fits. */
export function tokenizeText(text: string): number[] {
  const bytes = toBytes(text);
  const tokens: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    let length = Math.min(longestPiece, bytes.length - at);
    while (!tokenOfBytes.has(bytes.slice(at, at + length))) length--;
    tokens.push(tokenOfBytes.get(bytes.slice(at, at + length))!);
    at += length;
  }
  return tokens;
}

/** Like tokenizeText, but the text of control tokens becomes control tokens. */
export function tokenizeSpecial(text: string): number[] {
  return text
    .split(/(<\|\w+\|>)/)
    .flatMap((part) => (CONTROL_TEXTS.includes(part) ? [controlToken(part)] : tokenizeText(part)));
}

export function detokenize(tokens: Iterable<number>, special: boolean): string {
  let bytes = '';
  for (const token of tokens) {
    const control = CONTROL_TEXTS[token - firstControl];
    bytes += special && control !== undefined ? control : bytesOf(token);
  }
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
