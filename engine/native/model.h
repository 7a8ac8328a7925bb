#pragma once
#include <memory>
#include <string>
#include <vector>

#include "chat.h"
#include "control.h"
#include "llama.h"
#include "log.h"

namespace sluice {

/** engine/types.ts, LoadOptions. */
struct LoadOptions {
  std::string path;
  /** Folder of ggml's backends. */
  std::string libraries;
  uint32_t context = 0;
  uint32_t slots = 0;
  uint32_t cachedSequences = 0;
  uint32_t batch = 512;
  int32_t threads = 0;
  int32_t gpuLayers = -1;
  std::vector<std::string> devices;
  llama_split_mode splitMode = LLAMA_SPLIT_MODE_LAYER;
  ggml_type cacheType = GGML_TYPE_F16;
  llama_flash_attn_type flashAttention = LLAMA_FLASH_ATTN_TYPE_AUTO;
  bool record = false;
  /** Tests only: what to do wrong on purpose, so that replay proves it would notice. */
  std::string fault;

  uint32_t sequences() const { return slots + cachedSequences; }
  uint32_t cells() const { return slots * context; }
};

/** Loaded weights and vocabulary. Immutable after loading; used from several threads. */
class Model {
 public:
  Model(const LoadOptions &options, LogSink *log, const std::function<void(float)> &progress);
  Model(const Model &) = delete;
  Model &operator=(const Model &) = delete;

  llama_model *handle() const { return model_.get(); }
  const llama_vocab *vocabulary() const { return vocabulary_; }
  int32_t vocabularySize() const { return static_cast<int32_t>(pieces_.size()); }
  /** End-of-generation tokens. */
  const std::vector<llama_token> &endTokens() const { return endTokens_; }
  bool isEnd(llama_token token) const { return llama_vocab_is_eog(vocabulary_, token); }
  /** Bytes a token stands for in generated text; none for control tokens. */
  const std::string &piece(llama_token token) const { return pieces_[token]; }
  /** The same, and a control token's own text. */
  std::string name(llama_token token) const;

  std::vector<llama_token> tokenize(const std::string &text, bool addSpecial, bool parseSpecial) const;
  std::string detokenize(const std::vector<llama_token> &tokens, bool special) const;

  const common_chat_templates *templates() const { return templates_.get(); }
  const ControlTexts &controlTexts() const { return controlTexts_; }

  std::string metadata(const char *key) const;
  std::string description() const;

 private:
  struct Free {
    void operator()(llama_model *model) const { llama_model_free(model); }
  };
  std::unique_ptr<llama_model, Free> model_;
  const llama_vocab *vocabulary_ = nullptr;
  std::vector<std::string> pieces_;
  std::vector<llama_token> endTokens_;
  ControlTexts controlTexts_;
  common_chat_templates_ptr templates_;
};

struct FreeContext {
  void operator()(llama_context *context) const { llama_free(context); }
};
using ContextPtr = std::unique_ptr<llama_context, FreeContext>;

/** A context with the engine's parameters; the replayer and the bench's limit use the same. Throws EngineFailure. */
ContextPtr makeContext(const Model &model, const LoadOptions &options, LogSink *log);

/** Loads ggml's backends from their folder, once per process. */
void loadBackends(const std::string &libraries);

}  // namespace sluice
