#pragma once
#include <memory>
#include <vector>

#include "executor.h"
#include "model.h"
#include "napi.h"

namespace sluice {

/** Hands events from any thread to one JavaScript function: (kind, payload). */
class EventChannel {
 public:
  EventChannel(Napi::Env env, const Napi::Function &listener);
  ~EventChannel();

  using Payload = std::function<Napi::Value(Napi::Env)>;
  void post(const char *kind, Payload payload);

 private:
  Napi::ThreadSafeFunction function_;
};

/** The JavaScript object behind engine/native.ts; its methods have the meanings of engine/types.ts, Engine. */
class NativeEngine : public Napi::ObjectWrap<NativeEngine> {
 public:
  /** What a load produces, handed to the constructor. */
  struct Parts {
    LoadOptions options;
    std::shared_ptr<EventChannel> events;
    std::shared_ptr<LogSink> log;
    std::shared_ptr<const Model> model;
    std::unique_ptr<Executor> executor;
  };

  static Napi::Function define(Napi::Env env);
  /** load(options, onEvent): Promise<NativeEngine> */
  static Napi::Value load(const Napi::CallbackInfo &info, std::shared_ptr<Napi::FunctionReference> constructor);

  explicit NativeEngine(const Napi::CallbackInfo &info);

 private:
  Napi::Value describe(const Napi::CallbackInfo &info);
  Napi::Value tokenize(const Napi::CallbackInfo &info);
  Napi::Value detokenize(const Napi::CallbackInfo &info);
  Napi::Value render(const Napi::CallbackInfo &info);
  Napi::Value openSlot(const Napi::CallbackInfo &info);
  Napi::Value closeSlot(const Napi::CallbackInfo &info);
  Napi::Value cancel(const Napi::CallbackInfo &info);
  Napi::Value submit(const Napi::CallbackInfo &info);
  Napi::Value withdraw(const Napi::CallbackInfo &info);
  Napi::Value takeRecording(const Napi::CallbackInfo &info);
  Napi::Value replayRecording(const Napi::CallbackInfo &info);
  Napi::Value limit(const Napi::CallbackInfo &info);
  Napi::Value close(const Napi::CallbackInfo &info);

  struct OpenSlot {
    std::shared_ptr<Slot> slot;
    uint32_t generation = 0;
  };

  /** Runs a method body; what it throws becomes a JavaScript error with a code. */
  template <typename Body>
  Napi::Value guarded(const Napi::CallbackInfo &info, Body body);
  void requireOpen() const;
  std::shared_ptr<Slot> findSlot(uint32_t slot, uint32_t generation) const;
  std::shared_ptr<Slot> findSlot(const Napi::Value &reference) const;

  std::unique_ptr<Parts> parts_;
  std::vector<OpenSlot> slots_;
};

}  // namespace sluice
