#pragma once
#include <vector>

#include "model.h"

namespace sluice {

struct LimitReport {
  double prefillMs = 0;
  /** Per decode step. */
  std::vector<double> stepMs;
};

/**
 * What the hardware allows: the same prompts prefilled one after the other in whole batches, then `steps` passes with
 * one token per stream, picked by argmax. No scheduler, no sampling, no text.
 */
LimitReport measureLimit(const Model &model, const LoadOptions &options, LogSink *log, const std::vector<std::vector<llama_token>> &prompts, int32_t steps);

}  // namespace sluice
