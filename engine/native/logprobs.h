#pragma once
#include <cstdint>
#include <vector>

namespace sluice {

struct Candidate {
  int32_t token;
  /** Natural logarithm of the probability by the model alone. */
  float logprob;
};

struct TokenLogprob {
  Candidate picked;
  /** The most likely tokens, best first. */
  std::vector<Candidate> top;
};

/** A row of logits as log-probabilities, taken before the sampler changes it. */
class LogprobRow {
 public:
  /** @param top how many of the most likely tokens to keep */
  LogprobRow(const float *logits, int32_t size, int32_t top);

  TokenLogprob of(int32_t token) const;

 private:
  std::vector<float> logits_;
  double logSum_;
  std::vector<Candidate> top_;
};

}  // namespace sluice
