#include "weights.h"

#include <cmath>
#include <cstdint>
#include <cstring>

// One clone per instruction set, chosen when the addon is loaded: the addon itself is built for the baseline.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SLUICE_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define SLUICE_CLONES
#endif

namespace sluice {

namespace {

/** Any bound below kNegligible for which `exponential` still holds. */
constexpr float kOutOfReach = kNegligible - 1;
/** e^kNegligible. */
constexpr float kLightest = 9.3576e-14f;

/** e^x for x in [-31, 0] to about 2e-7 relative: 2^n times a degree-6 polynomial; vectorises, unlike expf. */
[[gnu::always_inline]] inline float exponential(float x) {
  const float scaled = x * 1.44269504088896f;
  // Truncation rounds towards zero and scaled is never positive: this is the nearest integer.
  const int32_t whole = static_cast<int32_t>(scaled - 0.5f);
  const float f = scaled - static_cast<float>(whole);
  float p = 1.540353039e-4f;
  p = p * f + 1.333355815e-3f;
  p = p * f + 9.618129108e-3f;
  p = p * f + 5.550410866e-2f;
  p = p * f + 2.402265070e-1f;
  p = p * f + 6.931471806e-1f;
  p = p * f + 1.0f;
  const int32_t bits = (whole + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

}  // namespace

SLUICE_CLONES float largest(const float *values, int size) {
  float best = values[0];
  for (int i = 1; i < size; i++) best = values[i] > best ? values[i] : best;
  return best;
}

SLUICE_CLONES void weigh(const float *__restrict logits, int size, float top, float inverseTemperature, float *__restrict weights, float *__restrict blockSums) {
  for (int start = 0, block = 0; start < size; start += kWeightBlock, block++) {
    const int end = start + kWeightBlock < size ? start + kWeightBlock : size;
    float sum = 0;
    for (int i = start; i < end; i++) {
      const float x = (logits[i] - top) * inverseTemperature;
      const float weight = exponential(x > kOutOfReach ? x : kOutOfReach);
      // Compared as a weight: a comparison of x would become a branch around the exponential.
      const float kept = weight > kLightest ? weight : 0.0f;
      weights[i] = kept;
      sum += kept;
    }
    blockSums[block] = sum;
  }
}

}  // namespace sluice
