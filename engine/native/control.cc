#include "control.h"

namespace sluice {

int32_t ControlTexts::step(int32_t node, char byte) const {
  for (const auto &[label, next] : nodes_[node].next) {
    if (label == byte) return next;
  }
  return -1;
}

void ControlTexts::add(const std::string &text, llama_token token) {
  int32_t node = 0;
  for (const char byte : text) {
    int32_t next = step(node, byte);
    if (next < 0) {
      next = static_cast<int32_t>(nodes_.size());
      nodes_.emplace_back();
      nodes_[node].next.emplace_back(byte, next);
    }
    node = next;
  }
  nodes_[node].token = token;
}

ControlTexts::Match ControlTexts::longestAt(const std::string &text, size_t at) const {
  Match match;
  int32_t node = 0;
  for (size_t i = at; i < text.size(); i++) {
    node = step(node, text[i]);
    if (node < 0) break;
    if (nodes_[node].token != LLAMA_TOKEN_NULL) match = {i + 1 - at, nodes_[node].token};
  }
  return match;
}

}  // namespace sluice
