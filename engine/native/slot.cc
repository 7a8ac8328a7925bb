#include "slot.h"

namespace sluice {

void Slot::accept(int32_t token, bool isEnd, const std::string &piece, int32_t history, std::string &text) {
  pending = token;
  generated++;
  sampler.accept(token);

  std::string bytes;
  earlierBytes_ = pickedBytes_;
  if (!isEnd) pickedBytes_ += piece.size();
  if (isEnd) end = EndReason::eos;
  else if (stops_.push(piece, bytes)) end = EndReason::stop;
  else if (generated >= maxTokens) end = EndReason::length;
  else if (history >= contextLimit) end = EndReason::context;

  if (end != EndReason::none && end != EndReason::stop) bytes += stops_.flush();
  certainBytes_ += bytes.size();
  text += characters_.push(bytes.data(), bytes.size());
}

void Slot::keepLogprob(TokenLogprob logprob, std::vector<TokenLogprob> &certain) {
  if (end != EndReason::eos) kept_.push_back({std::move(logprob), earlierBytes_});
  while (!kept_.empty() && kept_.front().start < certainBytes_) {
    certain.push_back(std::move(kept_.front().logprob));
    kept_.pop_front();
  }
}

}  // namespace sluice
