#include "template.h"

#include "error.h"

namespace sluice {

namespace {

constexpr uint32_t kFirstMark = 0xE000, kLastMark = 0xF8FF;

/**
 * Keeps control tokens out of messages: their text there is broken by a character that occurs in no message, and after
 * rendering only what is unbroken counts as a control token. The template itself writes its control tokens unbroken.
 */
class ControlGuard {
 public:
  /** Breaks control tokens' texts in the messages. */
  ControlGuard(const Model &model, std::vector<common_chat_msg> &messages) : model_(model), mark_(unusedMark(messages)) {
    for (common_chat_msg &message : messages) {
      forEachText(message, [&](std::string &text) { protect(text); });
    }
  }

  std::vector<llama_token> tokenize(const std::string &prompt) const {
    if (!used_) return model_.tokenize(prompt, true, true);
    std::vector<llama_token> tokens;
    if (llama_vocab_get_add_bos(model_.vocabulary())) tokens.push_back(llama_vocab_bos(model_.vocabulary()));
    for (size_t start = 0; start < prompt.size();) {
      const Control next = findControl(prompt, start);
      const std::vector<llama_token> text = model_.tokenize(restore(prompt.substr(start, next.at - start)), false, false);
      tokens.insert(tokens.end(), text.begin(), text.end());
      if (next.token == LLAMA_TOKEN_NULL) break;
      tokens.push_back(next.token);
      start = next.at + next.length;
    }
    if (llama_vocab_get_add_eos(model_.vocabulary())) tokens.push_back(llama_vocab_eos(model_.vocabulary()));
    return tokens;
  }

 private:
  struct Control {
    size_t at;
    size_t length = 0;
    llama_token token = LLAMA_TOKEN_NULL;
  };

  template <typename Visit>
  static void forEachText(common_chat_msg &message, Visit visit) {
    visit(message.content);
    visit(message.tool_name);
    visit(message.tool_call_id);
    for (common_chat_tool_call &call : message.tool_calls) {
      visit(call.name);
      visit(call.arguments);
      visit(call.id);
    }
  }

  /** The first of U+E000 to U+F8FF (private use, three bytes of UTF-8) that no message contains. */
  static std::string unusedMark(std::vector<common_chat_msg> &messages) {
    std::vector<bool> used(kLastMark - kFirstMark + 1);
    for (common_chat_msg &message : messages) {
      forEachText(message, [&](const std::string &text) {
        for (size_t i = 0; i + 2 < text.size(); i++) {
          const uint32_t lead = static_cast<uint8_t>(text[i]);
          if (lead != 0xEE && lead != 0xEF) continue;
          const uint32_t code = (lead & 0x0F) << 12 | (text[i + 1] & 0x3F) << 6 | (text[i + 2] & 0x3F);
          if (code >= kFirstMark && code <= kLastMark) used[code - kFirstMark] = true;
        }
      });
    }
    for (uint32_t code = kFirstMark; code <= kLastMark; code++) {
      if (used[code - kFirstMark]) continue;
      return {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
    }
    throw EngineFailure("template_failed", "the messages use every private-use character; remove one of U+E000 to U+F8FF");
  }

  /** Breaks every occurrence, also those that share characters: each start of a control text gets a mark behind it. */
  void protect(std::string &text) {
    std::string broken;
    for (size_t i = 0; i < text.size(); i++) {
      broken += text[i];
      if (model_.controlTexts().longestAt(text, i).length > 0) {
        // Behind the first character, not inside its UTF-8 bytes.
        while (i + 1 < text.size() && (static_cast<uint8_t>(text[i + 1]) & 0xC0) == 0x80) broken += text[++i];
        broken += mark_;
        used_ = true;
      }
    }
    text.swap(broken);
  }

  Control findControl(const std::string &prompt, size_t from) const {
    for (size_t at = from; at < prompt.size(); at++) {
      const ControlTexts::Match match = model_.controlTexts().longestAt(prompt, at);
      if (match.length > 0) return {at, match.length, match.token};
    }
    return {prompt.size()};
  }

  std::string restore(const std::string &text) const {
    std::string restored;
    size_t from = 0;
    for (size_t at = text.find(mark_); at != std::string::npos; at = text.find(mark_, from)) {
      restored.append(text, from, at - from);
      from = at + mark_.size();
    }
    return restored.append(text, from, std::string::npos);
  }

  const Model &model_;
  const std::string mark_;
  bool used_ = false;
};

}  // namespace

ChatPrompt renderChat(const Model &model, const std::vector<common_chat_msg> &messages, bool addGenerationPrompt) {
  if (model.templates() == nullptr) {
    throw EngineFailure("template_failed", "the model file has no chat template, so the model cannot chat; ask for a text completion instead");
  }
  common_chat_templates_inputs inputs;
  inputs.messages = messages;
  inputs.add_generation_prompt = addGenerationPrompt;
  inputs.add_bos = llama_vocab_get_add_bos(model.vocabulary());
  inputs.add_eos = llama_vocab_get_add_eos(model.vocabulary());
  const ControlGuard guard(model, inputs.messages);
  try {
    const common_chat_params rendered = common_chat_templates_apply(model.templates(), inputs);
    return {guard.tokenize(rendered.prompt), rendered.additional_stops};
  } catch (const EngineFailure &) {
    throw;
  } catch (const std::exception &error) {
    throw EngineFailure("template_failed", std::string("the model's chat template refuses these messages: ") + error.what());
  }
}

}  // namespace sluice
