#include "log.h"

#include "llama.h"

namespace sluice {

namespace {

thread_local LogSink *current = nullptr;

int levelOf(ggml_log_level level) {
  switch (level) {
    case GGML_LOG_LEVEL_ERROR: return 3;
    case GGML_LOG_LEVEL_WARN: return 2;
    case GGML_LOG_LEVEL_INFO: return 1;
    default: return 0;
  }
}

void forward(ggml_log_level level, const char *text, void *) {
  if (current == nullptr) return;
  current->append(level == GGML_LOG_LEVEL_CONT ? -1 : levelOf(level), text);
}

}  // namespace

void LogSink::append(int level, const char *text) {
  std::string complete;
  int completeLevel;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (level >= 0) level_ = level;
    line_ += text;
    const size_t end = line_.rfind('\n');
    if (end == std::string::npos) return;
    complete = line_.substr(0, end);
    line_.erase(0, end + 1);
    completeLevel = level_;
    if (completeLevel == 3) problem_ = complete;
  }
  if (!complete.empty()) write_(completeLevel, std::move(complete));
}

std::string LogSink::lastProblem() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return problem_;
}

LogSink::Scope::Scope(LogSink *sink) : previous_(current) { current = sink; }
LogSink::Scope::~Scope() { current = previous_; }

void LogSink::install() {
  static std::once_flag once;
  std::call_once(once, [] { llama_log_set(forward, nullptr); });
}

}  // namespace sluice
