/** Writes tiny models that llama.cpp loads in milliseconds. */
import { writeFileSync } from 'node:fs';
import { type EncodedTensor, encodeGguf, f32Tensor, type MetadataValue } from './gguf-encoding.ts';
import { type CONTROL_TOKENS, tinyVocabulary, type Vocabulary } from './tiny-vocabulary.ts';

export interface TinyLlamaOptions {
  path: string;
  /** Two files with the same seed and shape are equal to the byte. */
  seed: number;
  layers?: number;
  dim?: number;
  heads?: number;
  kvHeads?: number;
  ffn?: number;
  /** Tokens the model claims to be trained for. */
  context?: number;
  /** Default: ChatML. */
  chatTemplate?: string;
}

type Shape = Required<Omit<TinyLlamaOptions, 'path'>>;

const CHATML_TEMPLATE =
  "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/**
 * A `llama` model with random F32 weights, a byte-level BPE tokenizer (pre-tokenizer `smollm`) and a ChatML template.
 * Greedy text varies: attention is sharp and outweighs the embedding, so the next token depends on more than the last.
 * Picks are mostly printable ASCII; end-of-generation tokens are about as likely as any letter.
 */
export function writeTinyLlama(options: TinyLlamaOptions): void {
  const shape = {
    seed: options.seed,
    layers: options.layers ?? 2,
    dim: options.dim ?? 64,
    heads: options.heads ?? 4,
    kvHeads: options.kvHeads ?? 2,
    ffn: options.ffn ?? 128,
    context: options.context ?? 512,
    chatTemplate: options.chatTemplate ?? CHATML_TEMPLATE,
  };
  const vocabulary = tinyVocabulary();
  writeFileSync(options.path, encodeGguf(llamaMetadata(shape, vocabulary), llamaTensors(shape, vocabulary)));
}

function llamaMetadata(shape: Shape, vocabulary: Vocabulary): Record<string, MetadataValue> {
  const tokenId = (text: (typeof CONTROL_TOKENS)[number]) => vocabulary.tokens.indexOf(text);
  return {
    'general.architecture': { type: 'string', value: 'llama' },
    'general.name': { type: 'string', value: `tiny-llama-${shape.seed}` },
    'general.file_type': { type: 'u32', value: 0 },
    'llama.vocab_size': { type: 'u32', value: vocabulary.tokens.length },
    'llama.context_length': { type: 'u32', value: shape.context },
    'llama.embedding_length': { type: 'u32', value: shape.dim },
    'llama.block_count': { type: 'u32', value: shape.layers },
    'llama.feed_forward_length': { type: 'u32', value: shape.ffn },
    'llama.attention.head_count': { type: 'u32', value: shape.heads },
    'llama.attention.head_count_kv': { type: 'u32', value: shape.kvHeads },
    'llama.attention.layer_norm_rms_epsilon': { type: 'f32', value: 1e-5 },
    'llama.rope.dimension_count': { type: 'u32', value: shape.dim / shape.heads },
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: 'smollm' },
    'tokenizer.ggml.tokens': { type: 'strings', value: vocabulary.tokens },
    'tokenizer.ggml.token_type': { type: 'i32s', value: vocabulary.types },
    'tokenizer.ggml.merges': { type: 'strings', value: vocabulary.merges },
    'tokenizer.ggml.bos_token_id': { type: 'u32', value: tokenId('<|endoftext|>') },
    'tokenizer.ggml.eos_token_id': { type: 'u32', value: tokenId('<|im_end|>') },
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
    'tokenizer.chat_template': { type: 'string', value: shape.chatTemplate },
  };
}

function llamaTensors(shape: Shape, vocabulary: Vocabulary): EncodedTensor[] {
  const { dim, ffn } = shape;
  const vocabularySize = vocabulary.tokens.length;
  const kvDim = (dim / shape.heads) * shape.kvHeads;
  const random = randomNumbers(shape.seed);
  const matrix = (name: string, columns: number, rows: number, scale: number) =>
    f32Tensor(name, [columns, rows], randomValues(columns * rows, scale / Math.sqrt(columns), random));
  const norm = (name: string, constantWeight: 0 | 1) => {
    const weights = new Float32Array(dim).fill(1);
    weights[0] = constantWeight;
    return f32Tensor(name, [dim], weights);
  };

  const tensors = [embedding(dim, vocabularySize, random)];
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const block = `blk.${layer}.`;
    tensors.push(
      norm(`${block}attn_norm.weight`, 0),
      matrix(`${block}attn_q.weight`, dim, dim, 2),
      matrix(`${block}attn_k.weight`, dim, kvDim, 2),
      matrix(`${block}attn_v.weight`, dim, kvDim, 2),
      matrix(`${block}attn_output.weight`, dim, dim, 2),
      norm(`${block}ffn_norm.weight`, 0),
      matrix(`${block}ffn_gate.weight`, dim, ffn, 1.5),
      matrix(`${block}ffn_up.weight`, dim, ffn, 1.5),
      matrix(`${block}ffn_down.weight`, ffn, dim, 1.5),
    );
  }
  tensors.push(norm('output_norm.weight', 1), output(dim, vocabulary, random));
  return tensors;
}

/**
 * Dimension 0 is a constant in every token's embedding, for the output layer to tell readable tokens by. The layers'
 * norms hide it from attention and feed-forward: it would pull all positions in the same direction.
 */
const CONSTANT = 6;

function embedding(dim: number, vocabularySize: number, random: () => number): EncodedTensor {
  const values = randomValues(dim * vocabularySize, 1, random);
  for (let token = 0; token < vocabularySize; token += 1) {
    values[token * dim] = CONSTANT;
  }
  return f32Tensor('token_embd.weight', [dim, vocabularySize], values);
}

function output(dim: number, vocabulary: Vocabulary, random: () => number): EncodedTensor {
  const values = randomValues(dim * vocabulary.tokens.length, 3 / Math.sqrt(dim), random);
  for (const [token, text] of vocabulary.tokens.entries()) {
    values[token * dim] = isReadable(text) ? 0 : -8;
  }
  return f32Tensor('output.weight', [dim, vocabulary.tokens.length], values);
}

function isReadable(token: string): boolean {
  return /^[ -~Ġ]+$/.test(token);
}

function randomValues(count: number, deviation: number, random: () => number): Float32Array {
  const uniformWidth = deviation * Math.sqrt(12);
  return Float32Array.from({ length: count }, () => (random() - 0.5) * uniformWidth);
}

/** mulberry32: uniform numbers in [0, 1), the same on every machine. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
