#pragma once
#include <functional>
#include <mutex>
#include <string>

namespace sluice {

/**
 * Where llama.cpp's log lines go. llama.cpp knows one log function per process; each thread that works for an engine
 * names that engine's sink, so several engines in a process do not mix their lines.
 */
class LogSink {
 public:
  /** level: 0 debug, 1 info, 2 warn, 3 error. Called on any thread. */
  using Write = std::function<void(int level, std::string line)>;

  explicit LogSink(Write write) : write_(std::move(write)) {}

  void append(int level, const char *text);
  /** The last error or warning lines, for error messages. */
  std::string lastProblem() const;

  /** Makes this the calling thread's sink for the scope's lifetime. */
  class Scope {
   public:
    explicit Scope(LogSink *sink);
    ~Scope();

   private:
    LogSink *previous_;
  };

  /** Routes llama.cpp's log function to the threads' sinks; once per process. */
  static void install();

 private:
  Write write_;
  mutable std::mutex mutex_;
  std::string line_;
  int level_ = 1;
  std::string problem_;
};

}  // namespace sluice
