#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "batch.h"
#include "cells.h"
#include "clock.h"
#include "model.h"
#include "plan.h"
#include "recording.h"

namespace sluice {

/**
 * Runs plans in strict order on one thread of its own, which never waits for JavaScript: while one plan runs, one may
 * wait. (A libuv work item per step reaches half of the throughput that a dedicated thread does.)
 */
class Executor {
 public:
  struct Listener {
    /** Both are called on the decode thread and must not block. */
    std::function<void(std::unique_ptr<PlanResult>)> onResult;
    std::function<void(const std::string &message)> onBroken;
  };

  Executor(std::shared_ptr<const Model> model, const LoadOptions &options, std::shared_ptr<LogSink> log, Listener listener);
  /** Aborts a running pass and joins the thread. */
  ~Executor();

  /** False when two plans are waiting already: the second of them until the decode thread has taken the first. */
  bool submit(std::unique_ptr<Plan> plan);
  /** Takes the last waiting plan back; null when there is none. */
  std::unique_ptr<Plan> withdraw();
  void cancel(Slot &slot);
  Recording takeRecording();

 private:
  /** An entry that takes part in the forward pass. */
  struct Run {
    Entry *entry;
    EntryResult *result;
    /** Tokens of history in cells before the pass. */
    int32_t before;
    /** Row of the batch whose logits are sampled; -1: none. */
    int32_t outputRow;
  };

  void loop();
  std::unique_ptr<PlanResult> execute(Plan &plan);
  int32_t apply(CacheOp &op);
  void trim(int32_t sequence, int32_t length);
  bool admit(Entry &entry, EntryResult &result);
  /** Forms the batch of the entries that may run. False when there is no room for it. */
  bool form(Plan &plan, PlanResult &result);
  /** 0 done, 1 no room, 2 aborted; throws EngineFailure on anything else. */
  int decode();
  void undo();
  void sample(PlanResult &result);
  /** Keeps what was done to the cache, where the engine records. */
  void note(RecordedOp op);
  void notePass(RecordedOp::Kind kind);
  void misbehave();
  void leavePass();

  static bool shouldAbort(void *self);
  double expectedPassMs(int32_t tokens) const;
  void learnPassCost(int32_t tokens, double ms);

  const std::shared_ptr<const Model> model_;
  const LoadOptions options_;
  const std::shared_ptr<LogSink> log_;
  const Listener listener_;
  ContextPtr context_;
  llama_memory_t memory_;

  // The decode thread's own.
  Cells cells_;
  std::vector<std::shared_ptr<Slot>> bound_;
  Batch batch_;
  std::vector<Run> runs_;
  SamplerScratch scratch_;
  double msPerToken_ = 0;
  double smallPassMs_ = 0;
  /** Plans that were dropped. */
  int32_t drops_ = 0;
  int32_t passes_ = 0;
  int32_t faultySequence_ = -1;

  // Read by the abort callback while a pass runs.
  std::atomic<bool> abortWanted_{false};
  std::atomic<bool> closing_{false};
  Clock::time_point passStart_;
  double passExpectedMs_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  /** At most two: a result is posted before the decode thread takes the plan behind it. */
  std::deque<std::unique_ptr<Plan>> waiting_;
  std::mutex recordingMutex_;
  Recording recording_;
  std::thread thread_;
};

}  // namespace sluice
