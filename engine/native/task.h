#pragma once
#include <functional>
#include <string>

#include "error.h"
#include "napi.h"

namespace sluice {

/** A JavaScript error with `code`, which engine/native.ts turns into an EngineError. */
inline Napi::Error toError(Napi::Env env, const std::string &code, const std::string &message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

/** Runs `work` on libuv's pool, then `finish` on the JavaScript thread; its value resolves the promise. */
class Task : public Napi::AsyncWorker {
 public:
  using Work = std::function<void()>;
  using Finish = std::function<Napi::Value(Napi::Env)>;

  static Napi::Promise start(Napi::Env env, Work work, Finish finish) {
    Task *task = new Task(env, std::move(work), std::move(finish));
    task->Queue();
    return task->deferred_.Promise();
  }

 protected:
  void Execute() override {
    try {
      work_();
    } catch (const EngineFailure &failure) {
      fail(failure.code, failure.what());
    } catch (const std::bad_alloc &) {
      fail("out_of_memory", "not enough memory");
    } catch (const std::exception &error) {
      fail("load_failed", error.what());
    }
  }
  void OnOK() override { deferred_.Resolve(finish_(Env())); }
  void OnError(const Napi::Error &error) override { deferred_.Reject(toError(Env(), code_, error.Message()).Value()); }

 private:
  Task(Napi::Env env, Work work, Finish finish)
      : Napi::AsyncWorker(env), deferred_(env), work_(std::move(work)), finish_(std::move(finish)) {}

  void fail(const char *code, const std::string &message) {
    code_ = code;
    SetError(message);
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  Finish finish_;
  std::string code_;
};

}  // namespace sluice
