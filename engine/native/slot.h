#pragma once
#include <atomic>
#include <string>
#include <vector>

#include "sampler.h"
#include "stop.h"
#include "utf8.h"

namespace sluice {

enum class EndReason { none, eos, stop, length, context };

struct SlotInit {
  Sampling sampling;
  uint32_t choice = 0;
  std::vector<std::string> stops;
  int32_t maxTokens = 1;
  int32_t contextLimit = 1;
};

/**
 * Generation state. The flags are set by the JavaScript thread and read by the decode thread; everything else belongs
 * to the decode thread.
 */
class Slot {
 public:
  Slot(const SlotInit &init, const std::vector<int32_t> *endTokens)
      : sampler(init.sampling, init.choice, endTokens), maxTokens(init.maxTokens), contextLimit(init.contextLimit), stops_(init.stops) {}

  std::atomic<bool> closed{false};
  std::atomic<bool> cancelled{false};
  /** A forward pass that contains this slot is being formed or runs. */
  std::atomic<bool> inPass{false};

  /** -1: unbound. */
  int32_t sequence = -1;
  /** The token that was picked last and is not in a cell yet; -1: none. */
  int32_t pending = -1;
  int32_t generated = 0;
  EndReason end = EndReason::none;
  Sampler sampler;
  const int32_t maxTokens;
  const int32_t contextLimit;

  /**
   * Takes a picked token: appends what text became certain to `text` and sets `end` where generation is over.
   * `history`: tokens of history with this one.
   */
  void accept(int32_t token, bool isEnd, const std::string &piece, int32_t history, std::string &text);

 private:
  StopMatcher stops_;
  Utf8Gate characters_;
};

}  // namespace sluice
