// SPDX-License-Identifier: Apache-2.0
// C++ on top of sluice.h: owners that close themselves, nothing more. Header-only; errors stay status codes.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "sluice/sluice.h"

namespace sluice {

template <auto close>
struct Closer {
  template <class T>
  void operator()(T* object) const {
    close(object);
  }
};
using ModelPtr = std::unique_ptr<sluice_model, Closer<sluice_model_close>>;
using PlanPtr = std::unique_ptr<sluice_plan, Closer<sluice_plan_close>>;
using EnginePtr = std::unique_ptr<sluice_engine, Closer<sluice_engine_close>>;
using SessionPtr = std::unique_ptr<sluice_session, Closer<sluice_session_close>>;

// Receives a handle: sluice_model_open(path, out(model), &error).
template <class Owner>
class Out {
 public:
  explicit Out(Owner& owner) : owner_(owner) {}
  Out(const Out&) = delete;
  ~Out() {
    if (handle_) owner_.reset(handle_);
  }
  operator typename Owner::element_type**() { return &handle_; }

 private:
  Owner& owner_;
  typename Owner::element_type* handle_ = nullptr;
};
template <class Owner>
Out<Owner> out(Owner& owner) {
  return Out<Owner>(owner);
}

class Text {
 public:
  Text() = default;
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text() { sluice_text_free(&text_); }
  sluice_text* out() { return &text_; }
  std::string_view view() const { return {text_.data ? text_.data : "", text_.length}; }

 private:
  sluice_text text_{};
};

// "PLACE at byte OFFSET: MESSAGE"
inline std::string describe(const sluice_error& error) {
  std::string s = error.place;
  if (error.offset != UINT64_MAX) s += (s.empty() ? "byte " : " at byte ") + std::to_string(error.offset);
  return s.empty() ? error.message : s + ": " + error.message;
}

}  // namespace sluice
