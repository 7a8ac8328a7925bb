#include "sampler.h"

#include <algorithm>
#include <cstring>

#include "random.h"
#include "weights.h"

namespace sluice {

namespace {

/** Finite, because weights.cc is compiled for finite numbers. */
constexpr float kNever = -1e30f;

int32_t argmax(const float *logits, int size) {
  const float top = largest(logits, size);
  return static_cast<int32_t>(std::find(logits, logits + size, top) - logits);
}

/** The token at which the running sum of weights, in vocabulary order, passes `share` of the total. */
int32_t drawFromAll(const SamplerScratch &scratch, int size, double random) {
  double total = 0;
  for (const float sum : scratch.blockSums) total += sum;
  double rest = random * total;
  const int blocks = static_cast<int>(scratch.blockSums.size());
  int block = 0;
  while (block < blocks - 1 && rest >= scratch.blockSums[block]) rest -= scratch.blockSums[block++];
  const int start = block * kWeightBlock, end = std::min(size, start + kWeightBlock);
  int32_t last = -1;
  for (int i = start; i < end; i++) {
    if (scratch.weights[i] <= 0) continue;
    last = i;
    if (rest < scratch.weights[i]) return i;
    rest -= scratch.weights[i];
  }
  if (last >= 0) return last;
  // Rounding in the block sums carried the draw past the last weight of this block.
  for (int i = size - 1; i >= 0; i--) {
    if (scratch.weights[i] > 0) return i;
  }
  return 0;
}

int32_t drawFrom(const std::vector<int32_t> &candidates, const std::vector<float> &weights, double random) {
  double total = 0;
  for (const int32_t token : candidates) total += weights[token];
  double rest = random * total;
  for (const int32_t token : candidates) {
    if (rest < weights[token]) return token;
    rest -= weights[token];
  }
  return candidates.back();
}

/** Orders tokens by weight, heaviest first; ties by id, so that a draw does not depend on the sort. */
struct Heavier {
  const std::vector<float> &weights;
  bool operator()(int32_t a, int32_t b) const {
    return weights[a] != weights[b] ? weights[a] > weights[b] : a < b;
  }
};

/** Where to stop taking the heaviest tokens: when their weights reach `mass`, or when there are `count`. */
struct Bound {
  double mass;
  int count;
};

/**
 * The heaviest tokens up to a bound, in no particular order. Weights are at most 1 and fall into buckets by their
 * exponent and leading mantissa bits, so only the bucket at the border has to be sorted.
 */
void keepHeaviest(const std::vector<float> &weights, int size, Bound bound, std::vector<int32_t> &kept) {
  constexpr int kShift = 20;  // 8 buckets per power of two
  constexpr int kTop = 0x3F800000 >> kShift;
  constexpr int kBuckets = 512;
  static_assert(kBuckets > -kNegligible * 1.45f * 8, "buckets reach down to the lightest weight");
  double mass[kBuckets] = {};
  int count[kBuckets] = {};
  const auto bucketOf = [](float weight) {
    int32_t bits;
    std::memcpy(&bits, &weight, sizeof bits);
    return std::clamp(kTop - (bits >> kShift), 0, kBuckets - 1);
  };
  for (int i = 0; i < size; i++) {
    if (weights[i] <= 0) continue;
    const int bucket = bucketOf(weights[i]);
    mass[bucket] += weights[i];
    count[bucket]++;
  }
  int border = 0, taken = 0;
  double sum = 0;
  while (border < kBuckets - 1 && sum + mass[border] < bound.mass && taken + count[border] < bound.count) {
    sum += mass[border];
    taken += count[border++];
  }

  kept.clear();
  std::vector<int32_t> atBorder;
  for (int i = 0; i < size; i++) {
    if (weights[i] <= 0) continue;
    const int bucket = bucketOf(weights[i]);
    if (bucket < border) kept.push_back(i);
    else if (bucket == border) atBorder.push_back(i);
  }
  std::sort(atBorder.begin(), atBorder.end(), Heavier{weights});
  for (const int32_t token : atBorder) {
    if (!kept.empty() && (sum >= bound.mass || taken >= bound.count)) break;
    kept.push_back(token);
    sum += weights[token];
    taken++;
  }
}

/** The smallest set of the heaviest of `kept` that reaches `share` of their weight. */
void keepLeadingMass(const std::vector<float> &weights, double share, std::vector<int32_t> &kept) {
  std::sort(kept.begin(), kept.end(), Heavier{weights});
  double total = 0, sum = 0;
  for (const int32_t token : kept) total += weights[token];
  size_t count = 0;
  while (count < kept.size() && (count == 0 || sum < share * total)) sum += weights[kept[count++]];
  kept.resize(count);
}

}  // namespace

Sampler::Sampler(const Sampling &sampling, uint32_t choice, const std::vector<int32_t> *endTokens)
    : sampling_(sampling), choice_(choice), endTokens_(endTokens) {}

void Sampler::accept(int32_t token) {
  if (sampling_.frequencyPenalty != 0 || sampling_.presencePenalty != 0) counts_[token]++;
}

void Sampler::adjust(float *logits, int32_t size) const {
  for (const auto &[token, count] : counts_) {
    if (token < size) logits[token] -= sampling_.frequencyPenalty * static_cast<float>(count) + sampling_.presencePenalty;
  }
  for (const auto &[token, bias] : sampling_.logitBias) {
    if (token < size) logits[token] += bias;
  }
  if (!sampling_.ignoreEos) return;
  for (const int32_t token : *endTokens_) {
    if (token < size) logits[token] = kNever;
  }
}

int32_t Sampler::pick(float *logits, int32_t size, uint32_t position, SamplerScratch &scratch) const {
  adjust(logits, size);
  if (sampling_.temperature <= 0 || sampling_.topK == 1) return argmax(logits, size);

  std::vector<float> &weights = scratch.weights;
  weights.resize(size);
  scratch.blockSums.resize((size + kWeightBlock - 1) / kWeightBlock);
  weigh(logits, size, largest(logits, size), 1.0f / sampling_.temperature, weights.data(), scratch.blockSums.data());

  const double random = randomAt(sampling_.seed, choice_, position);
  const bool all = sampling_.topK <= 0 && sampling_.topP >= 1 && sampling_.minP <= 0;
  if (all) return drawFromAll(scratch, size, random);

  std::vector<int32_t> &kept = scratch.candidates;
  double total = 0;
  for (const float sum : scratch.blockSums) total += sum;
  if (sampling_.topK > 0) {
    keepHeaviest(weights, size, {total * 2, sampling_.topK}, kept);
    if (sampling_.topP < 1) keepLeadingMass(weights, sampling_.topP, kept);
  } else {
    keepHeaviest(weights, size, {sampling_.topP < 1 ? sampling_.topP * total : total * 2, size}, kept);
  }
  if (sampling_.minP > 0) {
    // Weights are relative to the most likely token's, which is 1.
    const float least = sampling_.minP;
    kept.erase(std::remove_if(kept.begin(), kept.end(), [&](int32_t token) { return weights[token] < least; }), kept.end());
  }
  return drawFrom(kept, weights, random);
}

}  // namespace sluice
