#include "template.h"

#include "error.h"

namespace sluice {

namespace {

/**
 * Keeps control tokens out of messages: their text there is broken by a character that occurs in no message, and after
 * rendering only what is unbroken counts as a control token. The template itself writes its control tokens unbroken.
 */
class ControlGuard {
 public:
  ControlGuard(const Model &model, const std::vector<common_chat_msg> &messages) : model_(model) {
    mark_ = unusedMark(messages);
  }

  void protect(std::vector<common_chat_msg> &messages) {
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

  /** The first of U+E000 to U+F8FF (private use) that no message contains. */
  static std::string unusedMark(std::vector<common_chat_msg> messages) {
    for (uint32_t code = 0xE000; code <= 0xF8FF; code++) {
      const std::string mark = {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
      bool found = false;
      for (common_chat_msg &message : messages) {
        forEachText(message, [&](std::string &text) { found = found || text.find(mark) != std::string::npos; });
      }
      if (!found) return mark;
    }
    throw EngineFailure("template_failed", "the messages use every private-use character; remove one of U+E000 to U+F8FF");
  }

  /** Breaks every occurrence, also those that share characters: each start of a control text gets a mark behind it. */
  void protect(std::string &text) {
    std::string broken;
    for (size_t i = 0; i < text.size(); i++) {
      broken += text[i];
      if (startsControl(text, i)) {
        // Behind the first character, not inside its UTF-8 bytes.
        while (i + 1 < text.size() && (static_cast<uint8_t>(text[i + 1]) & 0xC0) == 0x80) broken += text[++i];
        broken += mark_;
        used_ = true;
      }
    }
    text.swap(broken);
  }

  bool startsControl(const std::string &text, size_t at) const {
    for (const auto &[control, token] : model_.controlTexts()) {
      if (text.compare(at, control.size(), control) == 0) return true;
    }
    return false;
  }

  Control findControl(const std::string &prompt, size_t from) const {
    Control nearest{prompt.size()};
    for (const auto &[text, token] : model_.controlTexts()) {
      const size_t at = prompt.find(text, from);
      if (at < nearest.at) nearest = {at, text.size(), token};
    }
    return nearest;
  }

  std::string restore(std::string text) const {
    for (size_t at = text.find(mark_); at != std::string::npos; at = text.find(mark_, at)) text.erase(at, mark_.size());
    return text;
  }

  const Model &model_;
  std::string mark_;
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
  ControlGuard guard(model, messages);
  guard.protect(inputs.messages);
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
