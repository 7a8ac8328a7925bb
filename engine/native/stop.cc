#include "stop.h"

#include <algorithm>

namespace sluice {

StopMatcher::Automaton::Automaton(const std::string &stop) : text(stop), failure(stop.size() + 1, 0) {
  for (size_t i = 1, k = 0; i < text.size(); i++) {
    while (k > 0 && text[i] != text[k]) k = failure[k];
    if (text[i] == text[k]) k++;
    failure[i + 1] = k;
  }
}

void StopMatcher::Automaton::advance(char byte) {
  while (matched > 0 && text[matched] != byte) matched = failure[matched];
  if (text[matched] == byte) matched++;
}

StopMatcher::StopMatcher(const std::vector<std::string> &stops) {
  for (const std::string &stop : stops) {
    if (!stop.empty()) automata_.emplace_back(stop);
  }
}

bool StopMatcher::push(const std::string &bytes, std::string &out) {
  if (automata_.empty()) {
    out += bytes;
    return false;
  }
  for (const char byte : bytes) {
    held_ += byte;
    size_t completed = 0, longest = 0;
    for (Automaton &automaton : automata_) {
      automaton.advance(byte);
      if (automaton.matched == automaton.text.size()) completed = std::max(completed, automaton.matched);
      longest = std::max(longest, automaton.matched);
    }
    if (completed > 0) {
      out.append(held_, 0, held_.size() - completed);
      held_.clear();
      return true;
    }
    out.append(held_, 0, held_.size() - longest);
    held_.erase(0, held_.size() - longest);
  }
  return false;
}

std::string StopMatcher::flush() {
  std::string rest;
  rest.swap(held_);
  return rest;
}

}  // namespace sluice
