#include "limit.h"

#include <algorithm>

#include "batch.h"
#include "clock.h"
#include "error.h"

namespace sluice {

namespace {

void run(llama_context *context, const Batch &batch) {
  if (llama_decode(context, batch.get()) != 0) throw EngineFailure("pass_failed", "the limit's forward pass failed");
  llama_synchronize(context);
}

}  // namespace

LimitReport measureLimit(const Model &model, const LoadOptions &options, LogSink *log, const std::vector<std::vector<llama_token>> &prompts, int32_t steps) {
  ContextPtr context = makeContext(model, options, log);
  Batch batch(options.batch);
  std::vector<llama_token> last(prompts.size());
  std::vector<int32_t> rows(prompts.size(), -1);
  const auto takeRows = [&] {
    for (size_t stream = 0; stream < rows.size(); stream++) {
      if (rows[stream] < 0) continue;
      const float *logits = llama_get_logits_ith(context.get(), rows[stream]);
      last[stream] = static_cast<llama_token>(std::max_element(logits, logits + model.vocabularySize()) - logits);
      rows[stream] = -1;
    }
  };
  const auto flush = [&] {
    if (batch.size() == 0) return;
    run(context.get(), batch);
    takeRows();
    batch.clear();
  };

  LimitReport report;
  const Clock::time_point start = Clock::now();
  for (size_t stream = 0; stream < prompts.size(); stream++) {
    const std::vector<llama_token> &prompt = prompts[stream];
    for (size_t i = 0; i < prompt.size(); i++) {
      const bool isLast = i + 1 == prompt.size();
      batch.add(prompt[i], static_cast<llama_pos>(i), static_cast<llama_seq_id>(stream), isLast);
      if (isLast) rows[stream] = batch.size() - 1;
      if (batch.size() == static_cast<int32_t>(options.batch)) flush();
    }
  }
  flush();
  report.prefillMs = msSince(start);

  for (int32_t step = 0; step < steps; step++) {
    const Clock::time_point stepStart = Clock::now();
    for (size_t stream = 0; stream < prompts.size(); stream++) {
      batch.add(last[stream], static_cast<llama_pos>(prompts[stream].size()) + step, static_cast<llama_seq_id>(stream), true);
      rows[stream] = batch.size() - 1;
    }
    flush();
    report.stepMs.push_back(msSince(stepStart));
  }
  return report;
}

}  // namespace sluice
