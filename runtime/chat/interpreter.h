// SPDX-License-Identifier: Apache-2.0
// Runs a parsed template. The first error sticks: afterwards every value is undefined and every loop ends, so callers
// look at failed() only where they would go on for long. Steps, output, nesting and sizes of values are bounded.
#pragma once
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/chat/ast.h"
#include "runtime/chat/chat_template.h"
#include "runtime/chat/value.h"

namespace sluice::jinja {

// What evaluation takes, in units of Work (value.h): about a microsecond a step, a fraction of that a piece.
inline constexpr uint64_t kStepWork = 256;
inline constexpr uint64_t kByteWork = 1;    // copied or compared
inline constexpr uint64_t kSearchWork = 2;  // a byte of both texts of a search
inline constexpr uint64_t kLetterWork = 4;  // a byte that is decoded and mapped or told apart
inline constexpr uint64_t kNameWork = 8;    // a name looked at, among variables or arguments
inline constexpr uint64_t kPrintWork = 8;   // a unit of weight, and twice a byte, of repr() and JSON
inline constexpr uint64_t kParseWork = 16;  // a byte of JSON
inline constexpr uint64_t kItemWork = 64;   // a value put into a list or dict, or made

struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<uint32_t, Value>> variables;
};

struct Macro : Container {
  const Statement* statement = nullptr;
  Scope captured;       // what it saw where it was defined, if that was not the top level
  bool nested = false;  // not at the top level: it sees itself through its call
};

struct LoopState : Object {
  std::vector<Value> items;
  size_t index = 0;
  int64_t depth = 1;                     // of a recursive loop's calls
  const Statement* statement = nullptr;  // of a recursive loop while it runs, and what is around it
  Scope* around = nullptr;
  std::vector<Value> changed;  // arguments of the last loop.changed()
  bool asked = false;
};

// Arguments of a filter, test, method or function.
struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;
  std::vector<Value> owners = {};  // of names that the template does not write

  // The argument of that place or name, null if it is not given.
  const Value* get(size_t place, std::string_view name) const;
};

class Interpreter {
 public:
  Interpreter(const Template& program, const TemplateLimits& limits, std::optional<int64_t> now = {})
      : program_(program), limits_(limits), now_(now) {
    work_.left = limits.max_steps > UINT64_MAX / kStepWork ? UINT64_MAX : limits.max_steps * kStepWork;
  }
  ~Interpreter();

  Result<std::string> run(const Value& context);

  // ---- for filters, tests, methods and functions ----
  bool failed() const { return failed_; }
  Value fail(const std::string& message);             // kBadModel with the line
  Value fail(Code code, const std::string& message);  // in these words
  bool work(uint64_t units);                          // false: the limit of steps is reached
  bool step() { return work(kStepWork); }
  bool search(std::string_view text, std::string_view what) {  // before a search for `what`
    return work(kSearchWork * (text.size() + what.size()));
  }
  bool equals(const Value& a, const Value& b);
  int order(const Value& a, const Value& b);  // as compare()
  bool can_be_key(const Value& v) { return hashable(v, work_) && work(0); }
  const Value* found(const Dict& dict, const Value& key);  // null if it is not there
  Value checked(Value v);                                  // fails if it is too large
  Value string(std::string s, bool safe = false) { return checked(Value::string(std::move(s), safe)); }
  Value list(std::vector<Value> items, ListKind kind = ListKind::kList) {
    return checked(make_list(std::move(items), kind));
  }
  std::vector<Value> iterate(const Value& v);                // fails for what cannot be iterated over
  std::string printed(const Value& v, bool repr = false);    // str(v)
  std::string markup_of(const Value& v);                     // str(v), escaped if it is not safe
  Value attribute(const Value& v, std::string_view name);    // v.name
  Value item(const Value& v, const Value& key);              // v[key]
  Value path(const Value& v, const Value& path);             // "a.b.0" as filters take it
  bool contains(const Value& container, const Value& item);  // item in container
  Value binary(Op op, const Value& a, const Value& b);
  Value filter(std::string_view name, const Value& v, const Arguments& arguments);
  bool test(std::string_view name, const Value& v, const Arguments& arguments);
  Value method(const Value& self, std::string_view name, const Arguments& arguments);
  Value function(int64_t which, const Arguments& arguments);
  const TemplateLimits& limits() const { return limits_; }
  int64_t now() const { return now_ ? *now_ : int64_t(time(nullptr)); }
  std::string missing(const Value& undefined) const;  // "'name' is undefined"
  Value make_namespace();

 private:
  enum class Flow { kNext, kBreak, kContinue };

  Flow run_body(const Body& body);
  Flow run_statement(const Statement& s);
  Flow run_for(const Statement& s);
  Flow run_loop(const Statement& s, const Value& over, int64_t depth);
  void bind(const Statement& s, const Value& item, Scope& scope);
  Value call_loop(const Value& loop, const Arguments& arguments);
  void run_set(const Statement& s, Value v);
  void write(std::string_view text);
  std::string captured(const Body& body);  // run in a scope of its own
  Value make_macro(const Statement& s);
  Value call_macro(const Value& macro, Arguments arguments, const Value* caller);
  Value filtered(Value v, const std::vector<Link>& filters);

  Value eval(const Expr& e);
  Value eval_chain(const Expr& e, const Value* caller = nullptr);
  Value eval_link(const Value& v, const Link& link, const Value* caller);
  Value eval_compare(const Expr& e);
  Value slice(const Value& v, const Link& link);
  Value arithmetic_integers(Op op, int64_t a, int64_t b);
  Value repeated(const Value& v, int64_t times);
  Arguments eval_arguments(const Link& link);
  void spread_names(const Value& v, Arguments& arguments);
  void check_names(const Arguments& arguments);
  Value look_up(uint32_t name);
  void assign(uint32_t name, Value v);
  Value loop_attribute(const LoopState& loop, std::string_view name) const;

  // Native stack that a render may take: one unit per body or expression that is being run.
  struct Deeper {
    explicit Deeper(Interpreter& i) : interpreter(i) {
      if (++i.depth_ > 16 * i.limits_.max_depth)
        i.fail("nested more than " + std::to_string(16 * i.limits_.max_depth) + " deep");
    }
    ~Deeper() { --interpreter.depth_; }
    Interpreter& interpreter;
  };

  const Template& program_;
  TemplateLimits limits_;
  std::optional<int64_t> now_;
  bool failed_ = false;
  Error error_;
  uint32_t line_ = 0;
  Work work_;
  uint32_t depth_ = 0, calls_ = 0;
  uint32_t loop_name_ = kNoName, caller_name_ = kNoName, varargs_name_ = kNoName, kwargs_name_ = kNoName;
  std::string* out_ = nullptr;
  Scope root_;
  Scope* scope_ = &root_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;  // emptied at the end: they may refer to each other in circles
};

// Which function a name stands for, -1: none.
int64_t find_function(std::string_view name);

// Whether Python's type has a method of this name that the interpreter knows.
bool has_method(const Value& self, std::string_view name);

}  // namespace sluice::jinja
