#include "slot.h"

namespace sluice {

void Slot::accept(int32_t token, bool isEnd, const std::string &piece, int32_t history, std::string &text) {
  pending = token;
  generated++;
  sampler.accept(token);

  std::string bytes;
  if (isEnd) end = EndReason::eos;
  else if (stops_.push(piece, bytes)) end = EndReason::stop;
  else if (generated >= maxTokens) end = EndReason::length;
  else if (history >= contextLimit) end = EndReason::context;

  if (end != EndReason::none && end != EndReason::stop) bytes += stops_.flush();
  text += characters_.push(bytes.data(), bytes.size());
}

}  // namespace sluice
