#include "engine.h"

#include "convert.h"
#include "error.h"
#include "limit.h"
#include "task.h"
#include "template.h"

namespace sluice {

namespace {

const char *const kLevels[] = {"debug", "info", "warn", "error"};

struct Event {
  const char *kind;
  EventChannel::Payload payload;
};

void deliver(Napi::Env env, Napi::Function listener, Event *event) {
  const std::unique_ptr<Event> owned(event);
  // Without an environment the process is ending and nobody listens.
  if (env == nullptr) return;
  listener.Call({Napi::String::New(env, owned->kind), owned->payload(env)});
}

}  // namespace

EventChannel::EventChannel(Napi::Env env, const Napi::Function &listener)
    : function_(Napi::ThreadSafeFunction::New(env, listener, "sluice engine", 0, 1)) {}

EventChannel::~EventChannel() { function_.Release(); }

void EventChannel::post(const char *kind, Payload payload) {
  Event *event = new Event{kind, std::move(payload)};
  if (function_.NonBlockingCall(event, deliver) != napi_ok) delete event;
}

Napi::Function NativeEngine::define(Napi::Env env) {
  return DefineClass(env, "NativeEngine", {
      InstanceMethod("describe", &NativeEngine::describe),
      InstanceMethod("tokenize", &NativeEngine::tokenize),
      InstanceMethod("detokenize", &NativeEngine::detokenize),
      InstanceMethod("renderChat", &NativeEngine::render),
      InstanceMethod("openSlot", &NativeEngine::openSlot),
      InstanceMethod("closeSlot", &NativeEngine::closeSlot),
      InstanceMethod("cancel", &NativeEngine::cancel),
      InstanceMethod("submit", &NativeEngine::submit),
      InstanceMethod("withdraw", &NativeEngine::withdraw),
      InstanceMethod("takeRecording", &NativeEngine::takeRecording),
      InstanceMethod("replay", &NativeEngine::replayRecording),
      InstanceMethod("measureLimit", &NativeEngine::limit),
      InstanceMethod("close", &NativeEngine::close),
  });
}

Napi::Value NativeEngine::load(const Napi::CallbackInfo &info, std::shared_ptr<Napi::FunctionReference> constructor) {
  Napi::Env env = info.Env();
  try {
    auto parts = std::make_shared<std::unique_ptr<Parts>>(std::make_unique<Parts>());
    Parts *loading = parts->get();
    loading->options = toLoadOptions(info[0].As<Napi::Object>());
    loading->events = std::make_shared<EventChannel>(env, info[1].As<Napi::Function>());
    const auto work = [loading] {
      LogSink::install();
      // The sinks and listeners hold the channel weakly: it must not outlive the environment through a log line.
      const std::weak_ptr<EventChannel> events = loading->events;
      const auto post = [events](const char *kind, EventChannel::Payload payload) {
        if (const auto channel = events.lock()) channel->post(kind, std::move(payload));
      };
      loading->log = std::make_shared<LogSink>([post](int level, std::string line) {
        post("log", [level, line](Napi::Env env) {
          Napi::Object out = Napi::Object::New(env);
          out.Set("level", kLevels[level]);
          out.Set("message", line);
          return out;
        });
      });
      LogSink::Scope scope(loading->log.get());
      loadBackends(loading->options.libraries);
      loading->model = std::make_shared<Model>(loading->options, loading->log.get(), [post](float fraction) {
        post("progress", [fraction](Napi::Env env) { return Napi::Number::New(env, fraction); });
      });
      Executor::Listener listener;
      listener.onResult = [post, model = loading->model](std::unique_ptr<PlanResult> result) {
        const std::shared_ptr<PlanResult> shared = std::move(result);
        post("result", [shared, model](Napi::Env env) { return fromResult(env, *shared, *model); });
      };
      listener.onBroken = [post](const std::string &message) {
        post("broken", [message](Napi::Env env) { return Napi::String::New(env, message); });
      };
      loading->executor = std::make_unique<Executor>(loading->model, loading->options, loading->log, std::move(listener));
    };
    const auto finish = [parts, constructor](Napi::Env env) -> Napi::Value {
      return constructor->New({Napi::External<std::unique_ptr<Parts>>::New(env, parts.get())});
    };
    return Task::start(env, work, finish);
  } catch (const EngineFailure &failure) {
    throw toError(env, failure.code, failure.what());
  }
}

NativeEngine::NativeEngine(const Napi::CallbackInfo &info) : Napi::ObjectWrap<NativeEngine>(info) {
  parts_ = std::move(*info[0].As<Napi::External<std::unique_ptr<Parts>>>().Data());
  slots_.resize(parts_->options.slots);
}

template <typename Body>
Napi::Value NativeEngine::guarded(const Napi::CallbackInfo &info, Body body) {
  try {
    requireOpen();
    return body();
  } catch (const EngineFailure &failure) {
    throw toError(info.Env(), failure.code, failure.what());
  }
}

void NativeEngine::requireOpen() const {
  if (!parts_) throw EngineFailure("closed", "the engine is closed");
}

std::shared_ptr<Slot> NativeEngine::findSlot(uint32_t slot, uint32_t generation) const {
  if (slot >= slots_.size() || slots_[slot].generation != generation) return nullptr;
  return slots_[slot].slot;
}

std::shared_ptr<Slot> NativeEngine::findSlot(const Napi::Value &reference) const {
  const Napi::Object object = reference.As<Napi::Object>();
  return findSlot(object.Get("slot").As<Napi::Number>().Uint32Value(), object.Get("generation").As<Napi::Number>().Uint32Value());
}

Napi::Value NativeEngine::describe(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const Model &model = *parts_->model;
    llama_model *handle = model.handle();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("architecture", model.metadata("general.architecture"));
    out.Set("name", model.metadata("general.name"));
    out.Set("description", model.description());
    out.Set("parameters", static_cast<double>(llama_model_n_params(handle)));
    out.Set("sizeBytes", static_cast<double>(llama_model_size(handle)));
    out.Set("vocabularySize", model.vocabularySize());
    out.Set("trainedContext", llama_model_n_ctx_train(handle));
    out.Set("embeddingSize", llama_model_n_embd(handle));
    const char *chatTemplate = llama_model_chat_template(handle, nullptr);
    out.Set("chatTemplate", chatTemplate == nullptr ? "" : chatTemplate);
    out.Set("canTrim", !llama_model_is_recurrent(handle) && !llama_model_is_hybrid(handle) && llama_model_n_swa(handle) == 0);
    return out;
  });
}

Napi::Value NativeEngine::tokenize(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const std::string text = info[0].As<Napi::String>().Utf8Value();
    return fromTokens(info.Env(), parts_->model->tokenize(text, info[2].ToBoolean(), info[1].ToBoolean()));
  });
}

Napi::Value NativeEngine::detokenize(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const std::vector<llama_token> tokens = toTokens(info[0], parts_->model->vocabularySize());
    return Napi::String::New(info.Env(), parts_->model->detokenize(tokens, info[1].ToBoolean()));
  });
}

Napi::Value NativeEngine::render(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const Napi::Object input = info[0].As<Napi::Object>();
    const std::vector<common_chat_msg> messages = toMessages(input.Get("messages").As<Napi::Array>());
    const bool addGenerationPrompt = input.Get("addGenerationPrompt").ToBoolean();
    const auto prompt = std::make_shared<ChatPrompt>();
    const auto work = [prompt, messages, addGenerationPrompt, model = parts_->model, log = parts_->log] {
      LogSink::Scope scope(log.get());
      *prompt = renderChat(*model, messages, addGenerationPrompt);
    };
    const auto finish = [prompt](Napi::Env env) -> Napi::Value {
      Napi::Object out = Napi::Object::New(env);
      out.Set("tokens", fromTokens(env, prompt->tokens));
      Napi::Array stops = Napi::Array::New(env, prompt->stops.size());
      for (uint32_t i = 0; i < prompt->stops.size(); i++) stops.Set(i, prompt->stops[i]);
      out.Set("stops", stops);
      return out;
    };
    return Task::start(info.Env(), work, finish);
  });
}

Napi::Value NativeEngine::openSlot(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const SlotInit init = toSlotInit(info[0].As<Napi::Object>());
    for (uint32_t id = 0; id < slots_.size(); id++) {
      OpenSlot &open = slots_[id];
      if (open.slot) continue;
      open.slot = std::make_shared<Slot>(init, &parts_->model->endTokens());
      Napi::Object out = Napi::Object::New(info.Env());
      out.Set("slot", id);
      out.Set("generation", open.generation);
      return out;
    }
    throw EngineFailure("no_slot", "all " + std::to_string(slots_.size()) + " slots are open");
  });
}

Napi::Value NativeEngine::closeSlot(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const std::shared_ptr<Slot> slot = findSlot(info[0]);
    if (!slot) return info.Env().Undefined();
    slot->closed = true;
    OpenSlot &open = slots_[info[0].As<Napi::Object>().Get("slot").As<Napi::Number>().Uint32Value()];
    open.slot.reset();
    open.generation++;
    return info.Env().Undefined();
  });
}

Napi::Value NativeEngine::cancel(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    if (const std::shared_ptr<Slot> slot = findSlot(info[0])) parts_->executor->cancel(*slot);
    return info.Env().Undefined();
  });
}

Napi::Value NativeEngine::submit(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const auto find = [this](uint32_t slot, uint32_t generation) { return findSlot(slot, generation); };
    std::unique_ptr<Plan> plan = toPlan(info[0].As<Napi::Object>(), find, parts_->options, parts_->model->vocabularySize());
    plan->knownDrops = info[1].As<Napi::Number>().Int32Value();
    if (!parts_->executor->submit(std::move(plan))) throw EngineFailure("queue_full", "a plan waits already");
    return info.Env().Undefined();
  });
}

Napi::Value NativeEngine::withdraw(const Napi::CallbackInfo &info) {
  return guarded(info, [&] { return Napi::Boolean::New(info.Env(), parts_->executor->withdraw() != nullptr); });
}

Napi::Value NativeEngine::takeRecording(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    return fromRecording(info.Env(), std::make_shared<const Recording>(parts_->executor->takeRecording()));
  });
}

Napi::Value NativeEngine::replayRecording(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const auto recording = *info[0].As<Napi::External<std::shared_ptr<const Recording>>>().Data();
    const auto report = std::make_shared<ReplayReport>();
    const auto work = [report, recording, model = parts_->model, options = parts_->options, log = parts_->log] {
      LogSink::Scope scope(log.get());
      *report = replay(*model, options, log.get(), *recording);
    };
    const auto finish = [report](Napi::Env env) -> Napi::Value {
      Napi::Object out = Napi::Object::New(env);
      out.Set("batches", report->batches);
      out.Set("rows", report->rows);
      out.Set("different", report->different);
      out.Set("firstDifferent", report->firstDifferent);
      return out;
    };
    return Task::start(info.Env(), work, finish);
  });
}

Napi::Value NativeEngine::limit(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    const Napi::Array given = info[0].As<Napi::Array>();
    std::vector<std::vector<llama_token>> prompts;
    for (uint32_t i = 0; i < given.Length(); i++) prompts.push_back(toTokens(given.Get(i), parts_->model->vocabularySize()));
    const int32_t steps = info[1].As<Napi::Number>().Int32Value();
    const auto report = std::make_shared<LimitReport>();
    const auto work = [report, prompts, steps, model = parts_->model, options = parts_->options, log = parts_->log] {
      LogSink::Scope scope(log.get());
      *report = measureLimit(*model, options, log.get(), prompts, steps);
    };
    const auto finish = [report](Napi::Env env) -> Napi::Value {
      Napi::Object out = Napi::Object::New(env);
      Napi::Array stepMs = Napi::Array::New(env, report->stepMs.size());
      for (uint32_t i = 0; i < report->stepMs.size(); i++) stepMs.Set(i, report->stepMs[i]);
      out.Set("prefillMs", report->prefillMs);
      out.Set("stepMs", stepMs);
      return out;
    };
    return Task::start(info.Env(), work, finish);
  });
}

Napi::Value NativeEngine::close(const Napi::CallbackInfo &info) {
  return guarded(info, [&] {
    for (OpenSlot &open : slots_) open.slot.reset();
    const std::shared_ptr<Parts> parts = std::move(parts_);
    // Joining the decode thread may take the rest of a node of the graph.
    const auto work = [parts] { parts->executor.reset(); };
    const auto finish = [parts](Napi::Env env) -> Napi::Value {
      parts->model.reset();
      parts->log.reset();
      parts->events.reset();
      return env.Undefined();
    };
    return Task::start(info.Env(), work, finish);
  });
}

}  // namespace sluice
