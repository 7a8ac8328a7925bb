#include "cells.h"

namespace sluice {

void Cells::extend(int32_t sequence, int32_t count) {
  std::vector<int32_t> &cells = sequences_[sequence];
  for (int32_t i = 0; i < count; i++) {
    if (free_.empty()) {
      free_.push_back(static_cast<int32_t>(holders_.size()));
      holders_.push_back(0);
    }
    const int32_t cell = free_.back();
    free_.pop_back();
    holders_[cell] = 1;
    cells.push_back(cell);
  }
  used_ += count;
}

void Cells::share(int32_t from, int32_t to, int32_t count) {
  sequences_[to].assign(sequences_[from].begin(), sequences_[from].begin() + count);
  for (const int32_t cell : sequences_[to]) holders_[cell]++;
}

void Cells::trim(int32_t sequence, int32_t count) {
  std::vector<int32_t> &cells = sequences_[sequence];
  while (static_cast<int32_t>(cells.size()) > count) {
    const int32_t cell = cells.back();
    cells.pop_back();
    if (--holders_[cell] > 0) continue;
    free_.push_back(cell);
    used_--;
  }
}

}  // namespace sluice
