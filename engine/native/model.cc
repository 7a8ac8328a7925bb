#include "model.h"

#include <algorithm>
#include <mutex>

#include "error.h"

namespace sluice {

namespace {

std::vector<ggml_backend_dev_t> findDevices(const std::vector<std::string> &names) {
  std::vector<ggml_backend_dev_t> devices;
  for (const std::string &name : names) {
    ggml_backend_dev_t device = ggml_backend_dev_by_name(name.c_str());
    if (device == nullptr) {
      std::string known;
      for (size_t i = 0; i < ggml_backend_dev_count(); i++) known += std::string(known.empty() ? "" : ", ") + ggml_backend_dev_name(ggml_backend_dev_get(i));
      throw EngineFailure("invalid_argument", "no device is named " + name + "; there are: " + known);
    }
    devices.push_back(device);
  }
  return devices;
}

std::string reason(const LogSink *log, const char *otherwise) {
  const std::string problem = log->lastProblem();
  return problem.empty() ? otherwise : problem;
}

std::string bytesOf(const llama_vocab *vocabulary, llama_token token, bool special) {
  std::string bytes(64, '\0');
  const auto convert = [&] {
    return llama_token_to_piece(vocabulary, token, bytes.data(), static_cast<int32_t>(bytes.size()), 0, special);
  };
  int32_t size = convert();
  if (size < 0) {
    bytes.resize(-size);
    size = convert();
  }
  bytes.resize(std::max(0, size));
  return bytes;
}

}  // namespace

void loadBackends(const std::string &libraries) {
  static std::once_flag once;
  std::call_once(once, [&] {
    ggml_backend_load_all_from_path(libraries.c_str());
    llama_backend_init();
  });
}

Model::Model(const LoadOptions &options, LogSink *log, const std::function<void(float)> &progress) {
  std::vector<ggml_backend_dev_t> devices = findDevices(options.devices);
  llama_model_params params = llama_model_default_params();
  if (!devices.empty()) {
    devices.push_back(nullptr);
    params.devices = devices.data();
  }
  params.n_gpu_layers = options.gpuLayers;
  params.split_mode = options.splitMode;
  params.progress_callback = [](float fraction, void *data) {
    (*static_cast<const std::function<void(float)> *>(data))(fraction);
    return true;
  };
  params.progress_callback_user_data = const_cast<std::function<void(float)> *>(&progress);
  model_.reset(llama_model_load_from_file(options.path.c_str(), params));
  if (!model_) throw EngineFailure("load_failed", reason(log, "llama.cpp could not load the file"));

  vocabulary_ = llama_model_get_vocab(model_.get());
  const int32_t size = llama_vocab_n_tokens(vocabulary_);
  pieces_.resize(size);
  for (llama_token token = 0; token < size; token++) {
    pieces_[token] = bytesOf(vocabulary_, token, false);
    if (llama_vocab_is_eog(vocabulary_, token)) endTokens_.push_back(token);
    if (llama_vocab_is_control(vocabulary_, token)) {
      const char *text = llama_vocab_get_text(vocabulary_, token);
      if (text != nullptr && *text != '\0') controlTexts_.add(text, token);
    }
  }
  if (llama_model_chat_template(model_.get(), nullptr) != nullptr) templates_ = common_chat_templates_init(model_.get(), "");
}

std::string Model::name(llama_token token) const { return bytesOf(vocabulary_, token, true); }

std::vector<llama_token> Model::tokenize(const std::string &text, bool addSpecial, bool parseSpecial) const {
  std::vector<llama_token> tokens(text.size() + 2);
  int32_t count = llama_tokenize(vocabulary_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                                 static_cast<int32_t>(tokens.size()), addSpecial, parseSpecial);
  if (count < 0) {
    tokens.resize(-count);
    count = llama_tokenize(vocabulary_, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                           static_cast<int32_t>(tokens.size()), addSpecial, parseSpecial);
  }
  tokens.resize(std::max(0, count));
  return tokens;
}

std::string Model::detokenize(const std::vector<llama_token> &tokens, bool special) const {
  std::string text(tokens.size() * 8 + 16, '\0');
  const auto convert = [&] {
    return llama_detokenize(vocabulary_, tokens.data(), static_cast<int32_t>(tokens.size()), text.data(),
                            static_cast<int32_t>(text.size()), false, special);
  };
  int32_t size = convert();
  if (size < 0) {
    text.resize(-size);
    size = convert();
  }
  text.resize(std::max(0, size));
  return text;
}

std::string Model::metadata(const char *key) const {
  std::string value(256, '\0');
  int32_t size = llama_model_meta_val_str(model_.get(), key, value.data(), value.size());
  if (size < 0) return "";
  if (static_cast<size_t>(size) >= value.size()) {
    value.resize(size + 1);
    size = llama_model_meta_val_str(model_.get(), key, value.data(), value.size());
  }
  value.resize(size);
  return value;
}

std::string Model::description() const {
  char text[256];
  llama_model_desc(model_.get(), text, sizeof text);
  return text;
}

ContextPtr makeContext(const Model &model, const LoadOptions &options, LogSink *log) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = options.cells();
  params.n_batch = params.n_ubatch = options.batch;
  params.n_seq_max = options.sequences();
  params.n_threads = params.n_threads_batch = options.threads;
  params.flash_attn_type = options.flashAttention;
  params.type_k = params.type_v = options.cacheType;
  params.kv_unified = true;
  params.no_perf = true;
  ContextPtr context(llama_init_from_model(model.handle(), params));
  if (!context) throw EngineFailure("out_of_memory", reason(log, "llama.cpp could not make a context of that size"));
  return context;
}

}  // namespace sluice
