#pragma once
#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "logprobs.h"
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
  /** Alternatives to tell with each token; -1: no log-probabilities. */
  int32_t topLogprobs = -1;
};

/**
 * Generation state. The flags are set by the JavaScript thread and read by the decode thread; everything else belongs
 * to the decode thread.
 */
class Slot {
 public:
  Slot(const SlotInit &init, const std::vector<int32_t> *endTokens)
      : sampler(init.sampling, init.choice, endTokens), maxTokens(init.maxTokens), contextLimit(init.contextLimit), topLogprobs(init.topLogprobs), stops_(init.stops) {}

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
  const int32_t topLogprobs;

  /**
   * Takes a picked token: appends what text became certain to `text` and sets `end` where generation is over.
   * `history`: tokens of history with this one.
   */
  void accept(int32_t token, bool isEnd, const std::string &piece, int32_t history, std::string &text);
  /** Keeps the last accepted token's log-probability until its bytes are certain. Call before the next accept. */
  void keepLogprob(TokenLogprob logprob, std::vector<TokenLogprob> &certain);

 private:
  struct Kept {
    TokenLogprob logprob;
    size_t start;
  };

  StopMatcher stops_;
  Utf8Gate characters_;
  /** Bytes of all picked tokens, of all before the last one, and those that are no part of a stop string. */
  size_t pickedBytes_ = 0, earlierBytes_ = 0, certainBytes_ = 0;
  std::deque<Kept> kept_;
};

}  // namespace sluice
