#pragma once
#include <stdexcept>
#include <string>

namespace sluice {

/** An error with one of EngineErrorCode's names (engine/types.ts). */
class EngineFailure : public std::runtime_error {
 public:
  EngineFailure(const char *code, const std::string &message) : std::runtime_error(message), code(code) {}
  const char *const code;
};

}  // namespace sluice
