#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "llama.h"

namespace sluice {

/** Finds the texts of control tokens in one pass, however many the vocabulary has: a trie over their bytes. */
class ControlTexts {
 public:
  struct Match {
    /** 0: none. */
    size_t length = 0;
    llama_token token = LLAMA_TOKEN_NULL;
  };

  ControlTexts() : nodes_(1) {}

  void add(const std::string &text, llama_token token);
  /** The longest control text that begins at `at`. */
  Match longestAt(const std::string &text, size_t at) const;

 private:
  struct Node {
    /** Next node by byte; few nodes have more than one. */
    std::vector<std::pair<char, int32_t>> next;
    llama_token token = LLAMA_TOKEN_NULL;
  };

  int32_t step(int32_t node, char byte) const;

  std::vector<Node> nodes_;
};

}  // namespace sluice
