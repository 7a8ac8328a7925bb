#include "engine.h"
#include "error.h"
#include "napi.h"
#include "task.h"

namespace sluice {

namespace {

/** quantize(libraries, from, to, threads): Promise<void>, to Q8_0. */
Napi::Value quantize(const Napi::CallbackInfo &info) {
  const std::string libraries = info[0].As<Napi::String>(), from = info[1].As<Napi::String>(), to = info[2].As<Napi::String>();
  const int32_t threads = info[3].As<Napi::Number>();
  const auto work = [=] {
    LogSink::install();
    loadBackends(libraries);
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = LLAMA_FTYPE_MOSTLY_Q8_0;
    params.allow_requantize = true;
    params.nthread = threads;
    if (llama_model_quantize(from.c_str(), to.c_str(), &params) != 0) throw EngineFailure("load_failed", "could not quantise " + from);
  };
  return Task::start(info.Env(), work, [](Napi::Env env) -> Napi::Value { return env.Undefined(); });
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  const auto constructor = std::make_shared<Napi::FunctionReference>(Napi::Persistent(NativeEngine::define(env)));
  // Node tears the environment down before statics; the reference must not be released after that.
  constructor->SuppressDestruct();
  exports.Set("load", Napi::Function::New(env, [constructor](const Napi::CallbackInfo &info) { return NativeEngine::load(info, constructor); }));
  exports.Set("quantize", Napi::Function::New(env, quantize));
  return exports;
}

}  // namespace

Napi::Object Init(Napi::Env env, Napi::Object exports) { return initialise(env, exports); }

}  // namespace sluice

using sluice::Init;
NODE_API_MODULE(sluice, Init)
