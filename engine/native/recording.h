#pragma once
#include <cstdint>
#include <vector>

#include "model.h"

namespace sluice {

/** One call to llama.cpp that changed the cache, as it was meant. */
struct RecordedOp {
  enum class Kind : int32_t { batch, abortedBatch, copy, trim };

  static RecordedOp copy(int32_t from, int32_t to, int32_t length) {
    RecordedOp op;
    op.kind = Kind::copy;
    op.from = from;
    op.to = to;
    op.length = length;
    return op;
  }
  static RecordedOp trim(int32_t sequence, int32_t length) {
    RecordedOp op;
    op.kind = Kind::trim;
    op.from = sequence;
    op.length = length;
    return op;
  }

  Kind kind = Kind::batch;
  /** copy: source; trim: the sequence. */
  int32_t from = -1;
  int32_t to = -1;
  int32_t length = 0;
  std::vector<llama_token> tokens;
  std::vector<llama_pos> positions;
  std::vector<llama_seq_id> sequences;
  std::vector<int8_t> outputs;
  /** One hash of the logits row per output, in batch order. */
  std::vector<uint64_t> hashes;
  /** How far the best logit of each output is above the second best. */
  std::vector<float> gaps;
};

using Recording = std::vector<RecordedOp>;

struct ReplayReport {
  int32_t batches = 0;
  int32_t rows = 0;
  /** Rows whose logits differ in at least one bit. */
  int32_t different = 0;
  /** First batch with a difference; -1: none. */
  int32_t firstDifferent = -1;
};

/** The best logit less the second best. */
float gapOf(const float *logits, int32_t size);

uint64_t hashRow(const float *logits, int32_t size);

/** Runs a recording on a fresh context of the same parameters and compares logits bit by bit. */
ReplayReport replay(const Model &model, const LoadOptions &options, LogSink *log, const Recording &recording);

}  // namespace sluice
