#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "model.h"
#include "napi.h"
#include "plan.h"
#include "recording.h"
#include "slot.h"

namespace sluice {

/** JavaScript values of engine/types.ts to native ones and back. Throw EngineFailure `invalid_argument`. */

using FindSlot = std::function<std::shared_ptr<Slot>(uint32_t slot, uint32_t generation)>;

std::vector<llama_token> toTokens(const Napi::Value &value, int32_t vocabularySize);
Napi::Value fromTokens(Napi::Env env, const std::vector<llama_token> &tokens);
SlotInit toSlotInit(const Napi::Object &value);
LoadOptions toLoadOptions(const Napi::Object &value);
std::vector<common_chat_msg> toMessages(const Napi::Array &value);
/** Slots are looked up now; a plan of too many tokens or with an unknown sequence is refused whole. */
std::unique_ptr<Plan> toPlan(const Napi::Object &value, const FindSlot &findSlot, const LoadOptions &limits, int32_t vocabularySize);
Napi::Object fromResult(Napi::Env env, const PlanResult &result, const Model &model);
Napi::Object fromRecording(Napi::Env env, std::shared_ptr<const Recording> recording);

}  // namespace sluice
