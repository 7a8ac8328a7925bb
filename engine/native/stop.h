#pragma once
#include <string>
#include <vector>

namespace sluice {

/**
 * Finds the first completed stop string in a stream of bytes and keeps back what may still become one. One
 * Knuth-Morris-Pratt automaton per string: constant time per byte, whatever the strings' lengths.
 */
class StopMatcher {
 public:
  explicit StopMatcher(const std::vector<std::string> &stops);

  /** Appends bytes to `out` once they cannot begin a stop string. True when one is complete: `out` ends before it. */
  bool push(const std::string &bytes, std::string &out);
  /** What was kept back, for an end that no stop string caused. */
  std::string flush();

 private:
  struct Automaton {
    std::string text;
    std::vector<size_t> failure;
    size_t matched = 0;

    explicit Automaton(const std::string &text);
    void advance(char byte);
  };

  std::vector<Automaton> automata_;
  std::string held_;
};

}  // namespace sluice
