#include "logprobs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice {

LogprobRow::LogprobRow(const float *logits, int32_t size, int32_t top) : logits_(logits, logits + size) {
  const float largest = *std::max_element(logits_.begin(), logits_.end());
  double sum = 0;
  for (const float logit : logits_) sum += std::exp(static_cast<double>(logit) - largest);
  logSum_ = largest + std::log(sum);

  std::vector<int32_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + std::min(top, size);
  std::partial_sort(order.begin(), end, order.end(), [this](int32_t a, int32_t b) {
    return logits_[a] != logits_[b] ? logits_[a] > logits_[b] : a < b;
  });
  for (auto token = order.begin(); token != end; ++token) top_.push_back(of(*token).picked);
}

TokenLogprob LogprobRow::of(int32_t token) const {
  return {{token, static_cast<float>(logits_[token] - logSum_)}, top_};
}

}  // namespace sluice
