#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "llama.h"
#include "slot.h"

namespace sluice {

/** Names and meanings as in engine/types.ts. A slot is null where its reference was stale when the plan came in. */
struct CacheOp {
  enum class Kind { bind, copy, trim, release };
  Kind kind;
  std::shared_ptr<Slot> slot;
  int32_t from = -1;
  int32_t sequence = -1;
  int32_t length = 0;
};

struct Entry {
  enum class Kind { prefill, decode };
  Kind kind;
  uint32_t slotId = 0;
  uint32_t generation = 0;
  std::shared_ptr<Slot> slot;
  /** Of a prefill. */
  std::vector<llama_token> tokens;
  bool picks = false;

  bool decodes() const { return kind == Kind::decode; }
  /** What the forward pass is fed for it. */
  const llama_token *feed() const { return decodes() ? &slot->pending : tokens.data(); }
  int32_t feedSize() const { return decodes() ? 1 : static_cast<int32_t>(tokens.size()); }
};

struct Plan {
  double id = 0;
  /** Dropped results that its maker had heard of. */
  int32_t knownDrops = 0;
  std::vector<CacheOp> cache;
  std::vector<Entry> entries;
};

struct EntryResult {
  enum class Outcome { ran, stale, ended, cancelled, unbound };
  uint32_t slotId = 0;
  uint32_t generation = 0;
  Outcome outcome = Outcome::ran;
  int32_t fed = 0;
  std::vector<llama_token> tokens;
  std::string text;
  std::vector<TokenLogprob> logprobs;
  bool hasLogprobs = false;
  EndReason end = EndReason::none;
};

struct PlanResult {
  double plan = 0;
  bool dropped = false;
  std::vector<int32_t> cache;
  std::vector<EntryResult> entries;
  double passMs = 0;
  double sampleMs = 0;
  int32_t restarts = 0;
  int32_t usedCells = 0;
};

}  // namespace sluice
