#include "recording.h"

#include <cmath>
#include <cstring>

#include "batch.h"
#include "error.h"

namespace sluice {

/** FNV-1a over 32-bit words: equal rows agree to the bit, different ones all but never. */
uint64_t hashRow(const float *logits, int32_t size) {
  uint64_t hash = 0xCBF29CE484222325ull;
  for (int32_t i = 0; i < size; i++) {
    uint32_t bits;
    std::memcpy(&bits, logits + i, sizeof bits);
    hash = (hash ^ bits) * 0x100000001B3ull;
  }
  return hash;
}

float gapOf(const float *logits, int32_t size) {
  float best = logits[0], second = -INFINITY;
  for (int32_t i = 1; i < size; i++) {
    if (logits[i] > best) {
      second = best;
      best = logits[i];
    } else if (logits[i] > second) {
      second = logits[i];
    }
  }
  return best - second;
}

ReplayReport replay(const Model &model, const LoadOptions &options, LogSink *log, const Recording &recording) {
  ContextPtr context = makeContext(model, options, log);
  llama_memory_t memory = llama_get_memory(context.get());
  Batch batch(options.batch);
  ReplayReport report;
  for (const RecordedOp &op : recording) {
    if (op.kind == RecordedOp::Kind::copy) {
      llama_memory_seq_cp(memory, op.from, op.to, 0, op.length);
      continue;
    }
    if (op.kind == RecordedOp::Kind::trim) {
      llama_memory_seq_rm(memory, op.from, op.length, -1);
      continue;
    }
    batch.clear();
    for (size_t i = 0; i < op.tokens.size(); i++) batch.add(op.tokens[i], op.positions[i], op.sequences[i], op.outputs[i] != 0);
    if (llama_decode(context.get(), batch.get()) != 0) throw EngineFailure("pass_failed", "the recording does not run on a fresh context");
    // An aborted pass took cells, and gave them back by the trims recorded after it; it had no outputs.
    if (op.kind == RecordedOp::Kind::abortedBatch) continue;
    size_t row = 0;
    for (size_t i = 0; i < op.tokens.size(); i++) {
      if (op.outputs[i] == 0) continue;
      report.rows++;
      const float *logits = llama_get_logits_ith(context.get(), static_cast<int32_t>(i));
      if (hashRow(logits, model.vocabularySize()) == op.hashes[row++]) continue;
      report.different++;
      if (report.firstDifferent < 0) report.firstDifferent = report.batches;
    }
    report.batches++;
  }
  return report;
}

}  // namespace sluice
