#pragma once
#include <cstdint>
#include <vector>

#include "llama.h"

namespace sluice {

/**
 * What each sequence's cells hold, and how many cells are in use when prefixes are shared. Mirrors llama.cpp's unified
 * cache, where `seq_cp` shares cells and a cell is free once no sequence holds it.
 */
class Cells {
 public:
  explicit Cells(uint32_t sequences) : sequences_(sequences) {}

  int32_t length(int32_t sequence) const { return static_cast<int32_t>(sequences_[sequence].size()); }
  int32_t used() const { return used_; }
  bool valid(int32_t sequence) const { return sequence >= 0 && static_cast<size_t>(sequence) < sequences_.size(); }

  /** Appends `count` fresh cells. */
  void extend(int32_t sequence, int32_t count);
  /** Shares the first `count` cells of `from` with the empty sequence `to`. */
  void share(int32_t from, int32_t to, int32_t count);
  /** Keeps the first `count` cells. */
  void trim(int32_t sequence, int32_t count);

 private:
  /** Per sequence, the shared cell behind each position. */
  std::vector<std::vector<int32_t>> sequences_;
  std::vector<int32_t> holders_;
  std::vector<int32_t> free_;
  int32_t used_ = 0;
};

}  // namespace sluice
