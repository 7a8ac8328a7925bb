#pragma once
#include <string>

namespace sluice {

/**
 * Lets whole UTF-8 characters through and keeps an incomplete one until its bytes arrive. Invalid bytes become U+FFFD,
 * by the WHATWG rule (one per maximal ill-formed subpart).
 */
class Utf8Gate {
 public:
  /** Appends bytes; returns the text that is complete now. */
  std::string push(const char *bytes, size_t size);

 private:
  std::string held_;
};

}  // namespace sluice
