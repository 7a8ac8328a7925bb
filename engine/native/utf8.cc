#include "utf8.h"

#include <cstdint>

namespace sluice {

namespace {

const char kReplacement[] = "\xEF\xBF\xBD";

struct Lead {
  int length;
  /** Bounds of the second byte; tighter than 80..BF after some lead bytes (Unicode 15, table 3-7). */
  uint8_t low, high;
};

Lead classify(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

std::string Utf8Gate::push(const char *bytes, size_t size) {
  held_.append(bytes, size);
  std::string out;
  size_t at = 0;
  while (at < held_.size()) {
    const Lead lead = classify(static_cast<uint8_t>(held_[at]));
    if (lead.length == 0) {
      out += kReplacement;
      at++;
      continue;
    }
    int valid = 1;
    while (valid < lead.length && at + valid < held_.size()) {
      const uint8_t next = static_cast<uint8_t>(held_[at + valid]);
      const uint8_t low = valid == 1 ? lead.low : 0x80, high = valid == 1 ? lead.high : 0xBF;
      if (next < low || next > high) break;
      valid++;
    }
    if (valid == lead.length) {
      out.append(held_, at, valid);
    } else if (at + valid == held_.size()) {
      break;
    } else {
      out += kReplacement;
    }
    at += valid;
  }
  held_.erase(0, at);
  return out;
}

}  // namespace sluice
