// SPDX-License-Identifier: Apache-2.0
// The picture of a curve. Colours are classes of a style sheet inside it, so that it follows the reader's background.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "curve.h"
#include "looks.h"

namespace sluice {

namespace {

constexpr double kWidth = 760, kHeight = 440;
constexpr double kLeft = 74, kRight = 736, kTop = 118, kBottom = 376;  // of the field inside the axes

// Plain rules, and others for dark backgrounds: not every viewer knows variables.
constexpr const char* kStyle =
    "<style>\n"
    "text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#5b6776}\n"
    ".title{font-size:17px;font-weight:600;fill:#1c2430}.now{fill:#c2410c;font-weight:600}\n"
    ".end{text-anchor:end}.middle{text-anchor:middle}.paper{fill:#fff}\n"
    ".grid{stroke:#e3e7ec}.axis{stroke:#9aa5b1}.at{stroke:#9aa5b1;stroke-dasharray:3 4}\n"
    ".area{fill:#0b6bcb;opacity:.12}.curve{fill:none;stroke:#0b6bcb;stroke-width:2.5;stroke-linejoin:round;"
    "stroke-linecap:round}\n"
    ".dot{fill:#c2410c;stroke:#fff;stroke-width:2}.here{stroke:#c2410c;stroke-dasharray:3 4}\n"
    "@media (prefers-color-scheme:dark){text{fill:#9aa7b5}.title{fill:#e8edf3}.now{fill:#fb923c}.paper{fill:#12161c}\n"
    ".grid{stroke:#252c35}.axis,.at{stroke:#566270}.area{fill:#5eb0ff}.curve{stroke:#5eb0ff}\n"
    ".dot{fill:#fb923c;stroke:#12161c}.here{stroke:#fb923c}}\n"
    "</style>\n";

std::string escaped(const std::string& text) {
  std::string safe;
  for (char c : printable(text)) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\n':
      case '\t':
        safe += ' ';
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string number(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.1f", value);
  return text;
}

// The step of a scale of 1, 2 or 5 times a power of ten with at most `n` steps up to `most`.
double ten_step(double most, int n) {
  const double power = std::pow(10, std::floor(std::log10(most / n)));
  for (double step : {1.0, 2.0, 5.0})
    if (most <= step * power * n) return step * power;
  return 10 * power;
}

// "512M", "1.5G"
std::string size_label(double bytes) {
  if (bytes == 0) return "0";
  const bool giga = bytes >= double(1 << 30);
  char text[32];
  snprintf(text, sizeof text, "%.4g%s", bytes / double(giga ? 1 << 30 : 1 << 20), giga ? "G" : "M");
  return text;
}

class Picture {
 public:
  Picture(const std::vector<CurvePoint>& curve, const CurveLooks& looks) : curve_(curve), looks_(looks) {
    for (const CurvePoint& point : curve) top_ = std::max(top_, point.decode_tok_s);
    y_step_ = ten_step(top_ * 1.08, 6);
    top_ = std::ceil(top_ * 1.08 / y_step_) * y_step_;
    const double first = double(curve.front().budget_bytes), last = double(curve.back().budget_bytes);
    begin_ = std::max(0.0, first - (last - first) * 0.06), end_ = std::max(last, begin_ + 1);
  }

  std::string draw() {
    svg_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(kWidth) + " " + number(kHeight) +
           "\" width=\"" + number(kWidth) + "\" height=\"" + number(kHeight) + "\" role=\"img\">\n<title>" +
           escaped(looks_.title) + ": tokens per second over the memory budget</title>\n" + kStyle;
    svg_ += "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n";
    text(24, 34, "title", looks_.title);
    text(24, 55, "", looks_.subtitle);
    draw_axes();
    draw_curve();
    mark(looks_.minimum_bytes, 0, "at", "", "the least: " + label_of(looks_.minimum_bytes));
    mark(looks_.resident_bytes, 1, "at", "", "all in memory: " + label_of(looks_.resident_bytes));
    draw_budget();
    return svg_ + "</svg>\n";
  }

 private:
  double x(double bytes) const { return kLeft + (bytes - begin_) / (end_ - begin_) * (kRight - kLeft); }
  double y(double rate) const { return kBottom - rate / top_ * (kBottom - kTop); }
  static std::string label_of(uint64_t bytes) { return human_bytes(bytes); }

  void line(double x1, double y1, double x2, double y2, const char* kind) {
    svg_ += "<line class=\"" + std::string(kind) + "\" x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" +
            number(x2) + "\" y2=\"" + number(y2) + "\"/>\n";
  }
  void text(double at_x, double at_y, const std::string& kind, const std::string& words) {
    svg_ += "<text" + (kind.empty() ? "" : " class=\"" + kind + "\"") + " x=\"" + number(at_x) + "\" y=\"" +
            number(at_y) + "\">" + escaped(words) + "</text>\n";
  }

  void draw_axes() {
    for (double rate = 0; rate <= top_ * 1.001; rate += y_step_) {
      line(kLeft, y(rate), kRight, y(rate), rate == 0 ? "axis" : "grid");
      text(kLeft - 10, y(rate) + 4.5, "end", human_rate(rate));
    }
    double step = 1 << 20;
    while ((end_ - begin_) / step > 8) step *= 2;
    for (double bytes = std::ceil(begin_ / step) * step; bytes <= end_; bytes += step) {
      line(x(bytes), kBottom, x(bytes), kBottom + 5, "axis");
      text(x(bytes), kBottom + 22, "middle", size_label(bytes));
    }
    text((kLeft + kRight) / 2, kHeight - 16, "middle", "memory budget (--memory)");
    svg_ += "<text class=\"middle\" transform=\"translate(20 " + number((kTop + kBottom) / 2) +
            ") rotate(-90)\">tokens per second</text>\n";
  }
  std::string human_rate(double rate) const {
    char digits[32];
    snprintf(digits, sizeof digits, "%.*f", y_step_ < 1 ? int(std::ceil(-std::log10(y_step_))) : 0, rate);
    return digits;
  }

  void draw_curve() {
    std::string points;
    for (const CurvePoint& point : curve_)
      points +=
          (points.empty() ? "" : " ") + number(x(double(point.budget_bytes))) + "," + number(y(point.decode_tok_s));
    const std::string base = number(y(0));
    svg_ += "<polygon class=\"area\" points=\"" + number(x(double(curve_.front().budget_bytes))) + "," + base + " " +
            points + " " + number(x(double(curve_.back().budget_bytes))) + "," + base + "\"/>\n";
    svg_ += "<polyline class=\"curve\" points=\"" + points + "\"/>\n";
  }

  // A line from the axis to its words, in one of three rows, so that words of neighbours do not meet.
  void mark(uint64_t bytes, int row, const char* kind, const std::string& words_kind, const std::string& words) {
    const double at = x(double(bytes));
    if (at < kLeft || at > kRight + 0.5) return;
    const double words_y = kTop - 40 + 17 * row;
    line(at, words_y + 4, at, kBottom, kind);
    const bool left = at < (kLeft + kRight) / 2;
    text(at + (left ? 6 : -6), words_y + 4, words_kind + (left ? "" : words_kind.empty() ? "end" : " end"), words);
  }

  void draw_budget() {
    for (const CurvePoint& point : curve_) {
      if (point.budget_bytes != looks_.budget_bytes) continue;
      mark(point.budget_bytes, 2, "here", "now",
           human_bytes(point.budget_bytes) + ": " + human_number(point.decode_tok_s) + " tok/s");
      svg_ += "<circle class=\"dot\" cx=\"" + number(x(double(point.budget_bytes))) + "\" cy=\"" +
              number(y(point.decode_tok_s)) + "\" r=\"5.5\"/>\n";
      return;
    }
  }

  const std::vector<CurvePoint>& curve_;
  const CurveLooks& looks_;
  double top_ = 0, y_step_ = 1, begin_ = 0, end_ = 1;
  std::string svg_;
};

}  // namespace

std::string curve_svg(const std::vector<CurvePoint>& curve, const CurveLooks& looks) {
  return Picture(curve, looks).draw();
}

}  // namespace sluice
