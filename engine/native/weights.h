#pragma once

namespace sluice {

/** Weights are summed per block of this many. */
constexpr int kWeightBlock = 256;
/** Logits this far below the largest, after temperature, weigh nothing: below 1e-13, less than a draw can reach. */
constexpr float kNegligible = -30.0f;

/** The loops over the whole vocabulary, compiled with -O3 -ffast-math for several instruction sets. Finite input only. */
float largest(const float *values, int size);
/** weights[i] = e^((logits[i] - top) * inverseTemperature), and their sums per block. */
void weigh(const float *logits, int size, float top, float inverseTemperature, float *weights, float *blockSums);

}  // namespace sluice
