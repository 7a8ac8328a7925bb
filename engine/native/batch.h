#pragma once
#include "llama.h"

namespace sluice {

/** An owned llama_batch whose rows each belong to one sequence. */
class Batch {
 public:
  explicit Batch(uint32_t capacity) : batch_(llama_batch_init(static_cast<int32_t>(capacity), 0, 1)) { batch_.n_tokens = 0; }
  ~Batch() { llama_batch_free(batch_); }
  Batch(const Batch &) = delete;
  Batch &operator=(const Batch &) = delete;

  void clear() { batch_.n_tokens = 0; }
  int32_t size() const { return batch_.n_tokens; }
  const llama_batch &get() const { return batch_; }
  llama_batch &get() { return batch_; }

  void add(llama_token token, llama_pos position, llama_seq_id sequence, bool output) {
    const int32_t row = batch_.n_tokens++;
    batch_.token[row] = token;
    batch_.pos[row] = position;
    batch_.n_seq_id[row] = 1;
    batch_.seq_id[row][0] = sequence;
    batch_.logits[row] = output ? 1 : 0;
  }

 private:
  llama_batch batch_;
};

}  // namespace sluice
