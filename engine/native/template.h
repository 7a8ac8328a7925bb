#pragma once
#include <string>
#include <vector>

#include "model.h"

namespace sluice {

/** engine/types.ts, ChatPrompt. */
struct ChatPrompt {
  std::vector<llama_token> tokens;
  std::vector<std::string> stops;
};

/** Renders messages by the model's own chat template. Throws EngineFailure `template_failed`. Any thread. */
ChatPrompt renderChat(const Model &model, const std::vector<common_chat_msg> &messages, bool addGenerationPrompt);

}  // namespace sluice
