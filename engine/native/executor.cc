#include "executor.h"

#include <algorithm>
#include <optional>

#include "error.h"

namespace sluice {

namespace {

/** A cancelled slot's pass is aborted when more than this is left of it: cancelled requests leave within 100 ms. */
constexpr double kAbortBoundMs = 50;
/** What llama_decode answers besides 0. */
constexpr int kNoRoom = 1, kAborted = 2;
/** Passes of at least this many tokens run llama.cpp's matrix kernels, whose cost grows with the tokens. */
constexpr int32_t kLargePass = 64;

double smooth(double average, double sample) { return average == 0 ? sample : average + 0.3 * (sample - average); }

}  // namespace

Executor::Executor(std::shared_ptr<const Model> model, const LoadOptions &options, std::shared_ptr<LogSink> log, Listener listener)
    : model_(std::move(model)),
      options_(options),
      log_(std::move(log)),
      listener_(std::move(listener)),
      context_(makeContext(*model_, options_, log_.get())),
      memory_(llama_get_memory(context_.get())),
      cells_(options_.sequences()),
      bound_(options_.sequences()),
      batch_(options_.batch) {
  if (memory_ == nullptr) throw EngineFailure("unsupported_model", "the model has no memory of its context, so it cannot generate");
  llama_set_abort_callback(context_.get(), shouldAbort, this);
  thread_ = std::thread([this] { loop(); });
}

Executor::~Executor() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
    waiting_.clear();
  }
  wake_.notify_all();
  thread_.join();
}

bool Executor::submit(std::unique_ptr<Plan> plan) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (waiting_.size() >= 2) return false;
    waiting_.push_back(std::move(plan));
  }
  wake_.notify_one();
  return true;
}

std::unique_ptr<Plan> Executor::withdraw() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (waiting_.empty()) return nullptr;
  std::unique_ptr<Plan> plan = std::move(waiting_.back());
  waiting_.pop_back();
  return plan;
}

void Executor::cancel(Slot &slot) {
  slot.cancelled = true;
  // Sequentially consistent with admit(): either it sees the cancellation, or this sees the slot in the pass.
  if (slot.inPass) abortWanted_ = true;
}

Recording Executor::takeRecording() {
  std::lock_guard<std::mutex> lock(recordingMutex_);
  return std::move(recording_);
}

void Executor::loop() {
  LogSink::Scope scope(log_.get());
  for (;;) {
    std::unique_ptr<Plan> plan;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return !waiting_.empty() || closing_; });
      if (closing_) return;
      plan = std::move(waiting_.front());
      waiting_.pop_front();
    }
    try {
      std::unique_ptr<PlanResult> result;
      if (plan->knownDrops == drops_) {
        result = execute(*plan);
      } else {
        // Made before its maker heard of a dropped plan, it counts on progress that never came.
        result = std::make_unique<PlanResult>();
        result->plan = plan->id;
        result->dropped = true;
        result->cache.assign(plan->cache.size(), -1);
        result->usedCells = cells_.used();
      }
      if (closing_) return;
      if (result->dropped) drops_++;
      listener_.onResult(std::move(result));
    } catch (const std::exception &error) {
      leavePass();
      if (!closing_) listener_.onBroken(error.what());
      return;
    }
  }
}

std::unique_ptr<PlanResult> Executor::execute(Plan &plan) {
  auto result = std::make_unique<PlanResult>();
  result->plan = plan.id;
  for (CacheOp &op : plan.cache) result->cache.push_back(apply(op));

  const Clock::time_point start = Clock::now();
  int status = 0;
  do {
    if (!form(plan, *result)) status = kNoRoom;
    else status = runs_.empty() ? 0 : decode();
    if (status == kAborted) result->restarts++;
  } while (status == kAborted && !closing_);

  leavePass();
  if (status == kNoRoom) {
    result->dropped = true;
    result->entries.clear();
  } else if (status == 0 && !runs_.empty()) {
    result->passMs = msSince(start);
    sample(*result);
  }
  result->usedCells = cells_.used();
  return result;
}

int32_t Executor::apply(CacheOp &op) {
  switch (op.kind) {
    case CacheOp::Kind::bind: {
      if (!op.slot || op.slot->closed || op.slot->sequence >= 0) return -1;
      const std::shared_ptr<Slot> &holder = bound_[op.sequence];
      if (holder && !holder->closed) return -1;
      op.slot->sequence = op.sequence;
      bound_[op.sequence] = op.slot;
      return cells_.length(op.sequence);
    }
    case CacheOp::Kind::copy: {
      if (op.from == op.sequence || cells_.length(op.sequence) > 0) return -1;
      const int32_t length = std::min(op.length, cells_.length(op.from));
      if (length == 0) return 0;
      llama_memory_seq_cp(memory_, op.from, op.sequence, 0, length);
      cells_.share(op.from, op.sequence, length);
      note(RecordedOp::copy(op.from, op.sequence, length));
      return length;
    }
    case CacheOp::Kind::trim:
      trim(op.sequence, std::min(op.length, cells_.length(op.sequence)));
      return cells_.length(op.sequence);
    case CacheOp::Kind::release:
      trim(op.sequence, 0);
      if (bound_[op.sequence]) {
        bound_[op.sequence]->sequence = -1;
        bound_[op.sequence].reset();
      }
      return 0;
  }
  return -1;
}

void Executor::trim(int32_t sequence, int32_t length) {
  if (cells_.length(sequence) == length) return;
  if (!llama_memory_seq_rm(memory_, sequence, length, -1)) {
    // Memory that cannot be cut at this position can always be cleared.
    llama_memory_seq_rm(memory_, sequence, -1, -1);
    length = 0;
  }
  cells_.trim(sequence, length);
  note(RecordedOp::trim(sequence, length));
}

bool Executor::admit(Entry &entry, EntryResult &result) {
  using Outcome = EntryResult::Outcome;
  result.slotId = entry.slotId;
  result.generation = entry.generation;
  Slot *slot = entry.slot.get();
  if (slot != nullptr) slot->inPass = true;
  if (slot == nullptr || slot->closed) result.outcome = Outcome::stale;
  else if (slot->cancelled) result.outcome = Outcome::cancelled;
  else if (slot->end != EndReason::none) result.outcome = Outcome::ended;
  else if (slot->sequence < 0 || (entry.decodes() && slot->pending < 0)) result.outcome = Outcome::unbound;
  else return true;
  if (slot != nullptr) slot->inPass = false;
  return false;
}

bool Executor::form(Plan &plan, PlanResult &result) {
  abortWanted_ = false;
  batch_.clear();
  runs_.clear();
  result.entries.assign(plan.entries.size(), {});
  for (size_t i = 0; i < plan.entries.size(); i++) {
    Entry &entry = plan.entries[i];
    if (!admit(entry, result.entries[i])) continue;
    const int32_t sequence = entry.slot->sequence, before = cells_.length(sequence), count = entry.feedSize();
    for (int32_t t = 0; t < count; t++) batch_.add(entry.feed()[t], before + t, sequence, entry.picks && t == count - 1);
    runs_.push_back({&entry, &result.entries[i], before, entry.picks ? batch_.size() - 1 : -1});
  }
  return cells_.used() + batch_.size() <= static_cast<int32_t>(options_.cells());
}

int Executor::decode() {
  misbehave();
  passExpectedMs_ = expectedPassMs(batch_.size());
  passStart_ = Clock::now();
  const int status = llama_decode(context_.get(), batch_.get());
  if (status == 0) {
    llama_synchronize(context_.get());
    learnPassCost(batch_.size(), msSince(passStart_));
    for (const Run &run : runs_) cells_.extend(run.entry->slot->sequence, run.entry->feedSize());
    notePass(RecordedOp::Kind::batch);
    return status;
  }
  if (status != kNoRoom && status != kAborted) {
    const std::string problem = log_->lastProblem();
    throw EngineFailure("pass_failed", "the forward pass failed (" + std::to_string(status) + ")" + (problem.empty() ? "" : ": " + problem));
  }
  if (status == kAborted) notePass(RecordedOp::Kind::abortedBatch);
  undo();
  return status;
}

/** Takes a pass back that was not done: every sequence keeps what it held before. */
void Executor::undo() {
  for (const Run &run : runs_) {
    const int32_t sequence = run.entry->slot->sequence;
    llama_memory_seq_rm(memory_, sequence, run.before, -1);
    note(RecordedOp::trim(sequence, run.before));
  }
  leavePass();
}

void Executor::leavePass() {
  for (const Run &run : runs_) run.entry->slot->inPass = false;
}

void Executor::sample(PlanResult &result) {
  const Clock::time_point start = Clock::now();
  for (const Run &run : runs_) {
    Slot &slot = *run.entry->slot;
    if (!run.entry->decodes()) run.result->fed = run.entry->feedSize();
    if (run.outputRow < 0) continue;
    float *logits = llama_get_logits_ith(context_.get(), run.outputRow);
    if (logits == nullptr) throw EngineFailure("pass_failed", "the forward pass left no logits");
    const int32_t position = cells_.length(slot.sequence);
    std::optional<LogprobRow> row;
    if (slot.topLogprobs >= 0) row.emplace(logits, model_->vocabularySize(), slot.topLogprobs);
    const llama_token token = slot.sampler.pick(logits, model_->vocabularySize(), static_cast<uint32_t>(position), scratch_);
    slot.accept(token, model_->isEnd(token), model_->piece(token), position + 1, run.result->text);
    if (row) slot.keepLogprob(row->of(token), run.result->logprobs);
    run.result->hasLogprobs = row.has_value();
    run.result->tokens.push_back(token);
    run.result->end = slot.end;
  }
  result.sampleMs = msSince(start);
}

void Executor::note(RecordedOp op) {
  if (!options_.record) return;
  std::lock_guard<std::mutex> lock(recordingMutex_);
  recording_.push_back(std::move(op));
}

void Executor::notePass(RecordedOp::Kind kind) {
  if (!options_.record) return;
  RecordedOp op;
  op.kind = kind;
  for (const Run &run : runs_) {
    const int32_t count = run.entry->feedSize();
    for (int32_t t = 0; t < count; t++) {
      op.tokens.push_back(run.entry->feed()[t]);
      op.positions.push_back(run.before + t);
      op.sequences.push_back(run.entry->slot->sequence);
      op.outputs.push_back(run.entry->picks && t == count - 1 ? 1 : 0);
    }
    if (!run.entry->picks || kind != RecordedOp::Kind::batch) continue;
    const float *logits = llama_get_logits_ith(context_.get(), run.outputRow);
    op.hashes.push_back(hashRow(logits, model_->vocabularySize()));
    op.gaps.push_back(gapOf(logits, model_->vocabularySize()));
  }
  note(std::move(op));
}

/** Does what LoadOptions::fault names, once, in the fifth pass; the recording keeps what was meant. */
void Executor::misbehave() {
  if (options_.fault.empty()) return;
  if (++passes_ == 5 && !runs_.empty()) {
    faultySequence_ = runs_.front().entry->slot->sequence;
    if (options_.fault == "cell") llama_memory_seq_rm(memory_, faultySequence_, 0, 1);
    if (options_.fault == "position") llama_memory_seq_add(memory_, faultySequence_, 0, -1, 1);
  }
  if (options_.fault != "position") return;
  llama_batch &batch = batch_.get();
  for (int32_t row = 0; row < batch.n_tokens; row++) {
    if (batch.seq_id[row][0] == faultySequence_) batch.pos[row]++;
  }
}

bool Executor::shouldAbort(void *data) {
  const Executor &self = *static_cast<const Executor *>(data);
  if (self.closing_) return true;
  if (!self.abortWanted_) return false;
  return self.passExpectedMs_ - msSince(self.passStart_) > kAbortBoundMs;
}

double Executor::expectedPassMs(int32_t tokens) const {
  // Nothing measured yet: take the pass for a long one.
  if (tokens >= kLargePass) return msPerToken_ == 0 ? 1e9 : msPerToken_ * tokens;
  return smallPassMs_ == 0 ? 1e9 : smallPassMs_;
}

void Executor::learnPassCost(int32_t tokens, double ms) {
  if (tokens >= kLargePass) msPerToken_ = smooth(msPerToken_, ms / tokens);
  else smallPassMs_ = smooth(smallPassMs_, ms);
}

}  // namespace sluice
