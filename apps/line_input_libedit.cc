// SPDX-License-Identifier: Apache-2.0
// The terminal line editor, by libedit. Everything it draws goes to standard error.
#include <fcntl.h>
#include <histedit.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string_view>

#include "line_input.h"
#include "looks.h"
#include "signals.h"

namespace sluice {

namespace {

constexpr int kHistoryLines = 2000;
constexpr char kEscape = '\1';  // encloses what takes no column in a prompt
constexpr size_t kMostPaste = 1 << 20;

// Bracketed paste: terminals that know it enclose pasted text, so that its newlines do not send it line by line.
constexpr const char *kPasteOn = "\033[?2004h", *kPasteOff = "\033[?2004l";
constexpr std::wstring_view kPasteEnd = L"\033[201~";

unsigned char insert_paste(EditLine* edit, int) {
  std::wstring text;
  wchar_t c;
  while (text.size() < kMostPaste && el_wgetc(edit, &c) == 1) {
    text += c == L'\r' ? L'\n' : c;
    if (text.ends_with(kPasteEnd)) {
      text.resize(text.size() - kPasteEnd.size());
      break;
    }
  }
  std::erase_if(text, [](wchar_t w) { return w < 0x20 && w != L'\n' && w != L'\t'; });
  text.erase(text.find_last_not_of(L'\n') + 1);
  return !text.empty() && el_winsertstr(edit, text.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

class EditedLines : public LineSource {
 public:
  EditedLines(EditLine* edit, History* history, std::string file)
      : edit_(edit), history_(history), file_(std::move(file)) {
    el_set(edit_, EL_CLIENTDATA, this);
    el_set(edit_, EL_EDITOR, "emacs");
    el_set(edit_, EL_SIGNAL, 0);  // the program's own handlers decide
    el_set(edit_, EL_PROMPT_ESC, prompt_of, kEscape);
    HistEvent event;
    history_w(H_SETSIZE, kHistoryLines);
    history_w(H_SETUNIQUE, 1);
    el_set(edit_, EL_HIST, ::history, history_);
    el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    el_set(edit_, EL_ADDFN, "sluice-paste", "insert pasted text", insert_paste);
    el_set(edit_, EL_BIND, "\033[200~", "sluice-paste", nullptr);
    if (!file_.empty()) ::history(history_, &event, H_LOAD, file_.c_str());
    el_source(edit_, nullptr);  // the user's ~/.editrc
  }

  ~EditedLines() override {
    history_end(history_);
    el_end(edit_);
  }

  LineStatus read(const std::string& prompt, std::string& line) override {
    prompt_ = escaped(prompt);
    line.clear();
    el_resize(edit_);
    fputs(kPasteOn, stderr);
    const LineStatus status = read_line(line);
    fputs(kPasteOff, stderr);
    return status;
  }

  static volatile sig_atomic_t resumed_;

 private:
  LineStatus read_line(std::string& line) {
    for (;;) {
      int n = 0;
      const char* text = el_gets(edit_, &n);
      if (text && n > 0) {
        line.assign(text, size_t(n));
        if (line.ends_with('\n')) line.pop_back();
        remember(line);
        return LineStatus::kLine;
      }
      if (n == 0) {
        fputc('\n', stderr);
        return LineStatus::kEnd;
      }
      const LineInfo* typed = el_line(edit_);
      line.assign(typed->buffer, size_t(typed->lastchar - typed->buffer));
      if (interrupted()) {
        fputc('\n', stderr);
        return LineStatus::kInterrupted;
      }
      if (n < 0 && !resumed_) return LineStatus::kEnd;
      // Back from the background: the terminal is set up again with what had been typed.
      resumed_ = 0;
      el_set(edit_, EL_PREP_TERM, 0);
      el_push(edit_, line.c_str());
    }
  }

  static char* prompt_of(EditLine* edit) {
    EditedLines* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return self->prompt_.data();
  }

  // Encloses colour sequences, which take no column.
  static std::string escaped(const std::string& prompt) {
    std::string out;
    for (size_t i = 0; i < prompt.size(); ++i) {
      if (prompt[i] == '\033') {
        out += kEscape;
        while (i < prompt.size() && prompt[i] != 'm') out += prompt[i++];
        out += 'm';
        out += kEscape;
      } else {
        out += prompt[i];
      }
    }
    return out;
  }

  void history_w(int operation, int value) {
    HistEvent event;
    ::history(history_, &event, operation, value);
  }

  void remember(const std::string& line) {
    if (line.find_first_not_of(" \t") == std::string::npos) return;
    HistEvent event;
    ::history(history_, &event, H_ENTER, line.c_str());
    if (file_.empty()) return;
    const int fd = open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);  // so that it is born private
    if (fd < 0) return;
    fchmod(fd, 0600);
    close(fd);
    ::history(history_, &event, H_SAVE, file_.c_str());
  }

  EditLine* edit_;
  History* history_;
  std::string file_, prompt_;
};

volatile sig_atomic_t EditedLines::resumed_ = 0;

}  // namespace

std::unique_ptr<LineSource> edited_lines(const std::string& history_file) {
  EditLine* edit = el_init("sluice", stdin, stderr, stderr);
  if (!edit) return nullptr;
  History* history = history_init();
  if (!history) {
    el_end(edit);
    return nullptr;
  }
  struct sigaction action {};
  action.sa_handler = [](int) { EditedLines::resumed_ = 1; };
  sigaction(SIGCONT, &action, nullptr);
  return std::make_unique<EditedLines>(edit, history, history_file);
}

}  // namespace sluice
