#pragma once
#include <cstdint>

namespace sluice {

/**
 * The random number of choice `choice` at position `position`: a pure function of its arguments, uniform in [0, 1).
 * Three rounds of SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014) over a counter, so that resuming,
 * speculation and handing over agree without any generator state.
 */
inline double randomAt(uint64_t seed, uint32_t choice, uint32_t position) {
  const auto mix = [](uint64_t x) {
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
  };
  const uint64_t bits = mix(mix(mix(seed) ^ choice) ^ position);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace sluice
