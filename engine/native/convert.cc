#include "convert.h"

#include <algorithm>
#include <map>

#include "error.h"

namespace sluice {

namespace {

[[noreturn]] void refuse(const std::string &message) { throw EngineFailure("invalid_argument", message); }

double number(const Napi::Object &object, const char *name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsNumber()) refuse(std::string(name) + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

int32_t integer(const Napi::Object &object, const char *name, double low, double high) {
  const double value = number(object, name);
  if (!(value >= low && value <= high)) refuse(std::string(name) + " is out of range");
  return static_cast<int32_t>(value);
}

std::string string(const Napi::Object &object, const char *name) {
  const Napi::Value value = object.Get(name);
  if (!value.IsString()) refuse(std::string(name) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

std::string stringOr(const Napi::Object &object, const char *name, const char *otherwise) {
  return object.Get(name).IsUndefined() ? otherwise : string(object, name);
}

int32_t integerOr(const Napi::Object &object, const char *name, int32_t otherwise, double low, double high) {
  return object.Get(name).IsUndefined() ? otherwise : integer(object, name, low, high);
}

template <typename Value>
Value named(const std::map<std::string, Value> &values, const std::string &name, const char *what) {
  const auto found = values.find(name);
  if (found == values.end()) refuse(name + " is no " + what);
  return found->second;
}

std::vector<std::string> strings(const Napi::Value &value) {
  std::vector<std::string> out;
  if (value.IsUndefined()) return out;
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) out.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  return out;
}

int32_t sequenceOf(const Napi::Object &op, const char *name, const LoadOptions &limits) {
  return integer(op, name, 0, limits.sequences() - 1);
}

CacheOp toCacheOp(const Napi::Object &value, const FindSlot &findSlot, const LoadOptions &limits) {
  static const std::map<std::string, CacheOp::Kind> kinds = {
      {"bind", CacheOp::Kind::bind}, {"copy", CacheOp::Kind::copy}, {"trim", CacheOp::Kind::trim}, {"release", CacheOp::Kind::release}};
  CacheOp op{named(kinds, string(value, "op"), "cache operation"), nullptr, -1, -1, 0};
  if (op.kind == CacheOp::Kind::copy) {
    op.from = sequenceOf(value, "from", limits);
    op.sequence = sequenceOf(value, "to", limits);
  } else {
    op.sequence = sequenceOf(value, "sequence", limits);
  }
  if (op.kind == CacheOp::Kind::copy || op.kind == CacheOp::Kind::trim) op.length = integer(value, "length", 0, 1e9);
  if (op.kind == CacheOp::Kind::bind) {
    const Napi::Object slot = value.Get("slot").As<Napi::Object>();
    op.slot = findSlot(integer(slot, "slot", 0, 1e6), integer(slot, "generation", 0, 2e9));
  }
  return op;
}

Entry toEntry(const Napi::Object &value, const FindSlot &findSlot, int32_t vocabularySize) {
  Entry entry;
  const Napi::Object slot = value.Get("slot").As<Napi::Object>();
  entry.slotId = integer(slot, "slot", 0, 1e6);
  entry.generation = integer(slot, "generation", 0, 2e9);
  entry.slot = findSlot(entry.slotId, entry.generation);
  const std::string kind = string(value, "kind");
  if (kind == "decode") {
    entry.kind = Entry::Kind::decode;
    entry.picks = true;
    integer(value, "maxNew", 1, 1e6);
  } else if (kind == "prefill") {
    entry.kind = Entry::Kind::prefill;
    entry.tokens = toTokens(value.Get("tokens"), vocabularySize);
    if (entry.tokens.empty()) refuse("a prefill needs at least one token");
    entry.picks = string(value, "outputs") == "last";
  } else {
    refuse(kind + " is no entry kind");
  }
  return entry;
}

const char *outcomeName(EntryResult::Outcome outcome) {
  switch (outcome) {
    case EntryResult::Outcome::ran: return "ran";
    case EntryResult::Outcome::stale: return "stale";
    case EntryResult::Outcome::ended: return "ended";
    case EntryResult::Outcome::cancelled: return "cancelled";
    case EntryResult::Outcome::unbound: return "unbound";
  }
  return "";
}

const char *endName(EndReason end) {
  switch (end) {
    case EndReason::eos: return "eos";
    case EndReason::stop: return "stop";
    case EndReason::length: return "length";
    case EndReason::context: return "context";
    case EndReason::none: break;
  }
  return "";
}

Napi::Object fromCandidate(Napi::Env env, const Candidate &candidate, const Model &model) {
  const std::string name = model.name(candidate.token);
  Napi::Uint8Array bytes = Napi::Uint8Array::New(env, name.size());
  std::copy(name.begin(), name.end(), bytes.Data());
  Napi::Object out = Napi::Object::New(env);
  out.Set("token", candidate.token);
  out.Set("bytes", bytes);
  out.Set("logprob", candidate.logprob);
  return out;
}

Napi::Array fromLogprobs(Napi::Env env, const std::vector<TokenLogprob> &logprobs, const Model &model) {
  Napi::Array out = Napi::Array::New(env, logprobs.size());
  for (uint32_t i = 0; i < logprobs.size(); i++) {
    Napi::Object token = fromCandidate(env, logprobs[i].picked, model);
    Napi::Array top = Napi::Array::New(env, logprobs[i].top.size());
    for (uint32_t t = 0; t < logprobs[i].top.size(); t++) top.Set(t, fromCandidate(env, logprobs[i].top[t], model));
    token.Set("top", top);
    out.Set(i, token);
  }
  return out;
}

Napi::Object fromEntry(Napi::Env env, const EntryResult &entry, const Model &model) {
  Napi::Object slot = Napi::Object::New(env), out = Napi::Object::New(env);
  slot.Set("slot", entry.slotId);
  slot.Set("generation", entry.generation);
  out.Set("slot", slot);
  out.Set("outcome", outcomeName(entry.outcome));
  out.Set("fed", entry.fed);
  Napi::Array tokens = Napi::Array::New(env, entry.tokens.size());
  for (uint32_t i = 0; i < entry.tokens.size(); i++) tokens.Set(i, entry.tokens[i]);
  out.Set("tokens", tokens);
  out.Set("text", entry.text);
  if (entry.hasLogprobs) out.Set("logprobs", fromLogprobs(env, entry.logprobs, model));
  if (entry.end != EndReason::none) out.Set("end", endName(entry.end));
  return out;
}

}  // namespace

std::vector<llama_token> toTokens(const Napi::Value &value, int32_t vocabularySize) {
  std::vector<llama_token> tokens;
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_int32_array) {
    const Napi::Int32Array array = value.As<Napi::Int32Array>();
    tokens.assign(array.Data(), array.Data() + array.ElementLength());
  } else if (value.IsArray()) {
    const Napi::Array array = value.As<Napi::Array>();
    for (uint32_t i = 0; i < array.Length(); i++) tokens.push_back(array.Get(i).As<Napi::Number>().Int32Value());
  } else {
    refuse("tokens must be an Int32Array");
  }
  for (const llama_token token : tokens) {
    if (token < 0 || token >= vocabularySize) refuse("token " + std::to_string(token) + " is not in the vocabulary");
  }
  return tokens;
}

Napi::Value fromTokens(Napi::Env env, const std::vector<llama_token> &tokens) {
  Napi::Int32Array array = Napi::Int32Array::New(env, tokens.size());
  std::copy(tokens.begin(), tokens.end(), array.Data());
  return array;
}

SlotInit toSlotInit(const Napi::Object &value) {
  const Napi::Object sampling = value.Get("sampling").As<Napi::Object>();
  SlotInit init;
  init.sampling.temperature = static_cast<float>(number(sampling, "temperature"));
  init.sampling.topK = integer(sampling, "topK", 0, 1e9);
  init.sampling.topP = static_cast<float>(number(sampling, "topP"));
  init.sampling.minP = static_cast<float>(number(sampling, "minP"));
  init.sampling.frequencyPenalty = static_cast<float>(number(sampling, "frequencyPenalty"));
  init.sampling.presencePenalty = static_cast<float>(number(sampling, "presencePenalty"));
  init.sampling.seed = static_cast<uint64_t>(number(sampling, "seed"));
  init.sampling.ignoreEos = sampling.Get("ignoreEos").ToBoolean();
  const Napi::Array biases = sampling.Get("logitBias").As<Napi::Array>();
  for (uint32_t i = 0; i < biases.Length(); i++) {
    const Napi::Array pair = biases.Get(i).As<Napi::Array>();
    init.sampling.logitBias.emplace_back(pair.Get(0u).As<Napi::Number>().Int32Value(), pair.Get(1u).As<Napi::Number>().FloatValue());
  }
  init.choice = integer(value, "choice", 0, 1e9);
  init.stops = strings(value.Get("stops"));
  init.maxTokens = integer(value, "maxTokens", 1, 2e9);
  init.contextLimit = integer(value, "contextLimit", 1, 2e9);
  init.topLogprobs = integerOr(value, "topLogprobs", -1, 0, 1000);
  return init;
}

LoadOptions toLoadOptions(const Napi::Object &value) {
  static const std::map<std::string, ggml_type> cacheTypes = {
      {"f32", GGML_TYPE_F32}, {"f16", GGML_TYPE_F16}, {"bf16", GGML_TYPE_BF16}, {"q8_0", GGML_TYPE_Q8_0},
      {"q4_0", GGML_TYPE_Q4_0}, {"q4_1", GGML_TYPE_Q4_1}, {"q5_0", GGML_TYPE_Q5_0}, {"q5_1", GGML_TYPE_Q5_1}};
  static const std::map<std::string, llama_split_mode> splitModes = {
      {"none", LLAMA_SPLIT_MODE_NONE}, {"layer", LLAMA_SPLIT_MODE_LAYER}, {"row", LLAMA_SPLIT_MODE_ROW}, {"tensor", LLAMA_SPLIT_MODE_TENSOR}};
  static const std::map<std::string, llama_flash_attn_type> attention = {
      {"auto", LLAMA_FLASH_ATTN_TYPE_AUTO}, {"on", LLAMA_FLASH_ATTN_TYPE_ENABLED}, {"off", LLAMA_FLASH_ATTN_TYPE_DISABLED}};
  const double maxSequences = static_cast<double>(llama_max_parallel_sequences());
  LoadOptions options;
  options.path = string(value, "path");
  options.libraries = string(value, "libraries");
  options.context = integer(value, "context", 1, 1 << 24);
  options.slots = integer(value, "slots", 1, maxSequences);
  options.cachedSequences = integerOr(value, "cachedSequences", 0, 0, maxSequences - options.slots);
  options.batch = integerOr(value, "batch", 512, 1, 1 << 16);
  options.threads = integer(value, "threads", 1, 1024);
  options.gpuLayers = integerOr(value, "gpuLayers", -1, -1, 1e6);
  options.devices = strings(value.Get("devices"));
  options.splitMode = named(splitModes, stringOr(value, "splitMode", "layer"), "split mode");
  options.cacheType = named(cacheTypes, stringOr(value, "cacheType", "f16"), "cache type");
  options.flashAttention = named(attention, stringOr(value, "flashAttention", "auto"), "flash attention setting");
  options.record = value.Get("record").ToBoolean();
  options.fault = stringOr(value, "fault", "");
  return options;
}

std::vector<common_chat_msg> toMessages(const Napi::Array &value) {
  std::vector<common_chat_msg> messages;
  for (uint32_t i = 0; i < value.Length(); i++) {
    const Napi::Object message = value.Get(i).As<Napi::Object>();
    common_chat_msg out;
    out.role = string(message, "role");
    out.content = string(message, "content");
    out.tool_name = stringOr(message, "name", "");
    out.tool_call_id = stringOr(message, "toolCallId", "");
    if (!message.Get("toolCalls").IsUndefined()) {
      const Napi::Array calls = message.Get("toolCalls").As<Napi::Array>();
      for (uint32_t c = 0; c < calls.Length(); c++) {
        const Napi::Object call = calls.Get(c).As<Napi::Object>();
        out.tool_calls.push_back({string(call, "name"), string(call, "arguments"), string(call, "id")});
      }
    }
    messages.push_back(std::move(out));
  }
  return messages;
}

std::unique_ptr<Plan> toPlan(const Napi::Object &value, const FindSlot &findSlot, const LoadOptions &limits, int32_t vocabularySize) {
  auto plan = std::make_unique<Plan>();
  plan->id = number(value, "id");
  const Napi::Array cache = value.Get("cache").As<Napi::Array>(), entries = value.Get("entries").As<Napi::Array>();
  for (uint32_t i = 0; i < cache.Length(); i++) plan->cache.push_back(toCacheOp(cache.Get(i).As<Napi::Object>(), findSlot, limits));
  size_t tokens = 0;
  for (uint32_t i = 0; i < entries.Length(); i++) {
    plan->entries.push_back(toEntry(entries.Get(i).As<Napi::Object>(), findSlot, vocabularySize));
    const Entry &entry = plan->entries.back();
    tokens += entry.feedSize();
  }
  if (tokens > limits.batch) refuse("a plan holds at most " + std::to_string(limits.batch) + " tokens, this one " + std::to_string(tokens));
  return plan;
}

Napi::Object fromResult(Napi::Env env, const PlanResult &result, const Model &model) {
  Napi::Object out = Napi::Object::New(env), timings = Napi::Object::New(env);
  out.Set("plan", result.plan);
  out.Set("outcome", result.dropped ? "dropped" : "done");
  Napi::Array cache = Napi::Array::New(env, result.cache.size()), entries = Napi::Array::New(env, result.entries.size());
  for (uint32_t i = 0; i < result.cache.size(); i++) cache.Set(i, result.cache[i]);
  for (uint32_t i = 0; i < result.entries.size(); i++) entries.Set(i, fromEntry(env, result.entries[i], model));
  out.Set("cache", cache);
  out.Set("entries", entries);
  timings.Set("passMs", result.passMs);
  timings.Set("sampleMs", result.sampleMs);
  timings.Set("restarts", result.restarts);
  out.Set("timings", timings);
  out.Set("usedCells", result.usedCells);
  return out;
}

Napi::Object fromRecording(Napi::Env env, std::shared_ptr<const Recording> recording) {
  static const char *const kinds[] = {"batch", "abortedBatch", "copy", "trim"};
  Napi::Array ops = Napi::Array::New(env, recording->size());
  for (uint32_t i = 0; i < recording->size(); i++) {
    const RecordedOp &op = (*recording)[i];
    Napi::Object out = Napi::Object::New(env);
    out.Set("kind", kinds[static_cast<int32_t>(op.kind)]);
    out.Set("from", op.from);
    out.Set("to", op.to);
    out.Set("length", op.length);
    out.Set("tokens", fromTokens(env, op.tokens));
    out.Set("positions", fromTokens(env, op.positions));
    out.Set("sequences", fromTokens(env, op.sequences));
    Napi::Array gaps = Napi::Array::New(env, op.gaps.size());
    for (uint32_t row = 0; row < op.gaps.size(); row++) gaps.Set(row, op.gaps[row]);
    out.Set("gaps", gaps);
    ops.Set(i, out);
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("ops", ops);
  out.Set("native", Napi::External<std::shared_ptr<const Recording>>::New(
                        env, new std::shared_ptr<const Recording>(std::move(recording)),
                        [](Napi::Env, std::shared_ptr<const Recording> *held) { delete held; }));
  return out;
}

}  // namespace sluice
