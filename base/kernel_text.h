// SPDX-License-Identifier: Apache-2.0
// Small text files of the kernel (/proc, /sys): they tell no size, and most machines lack some of them.
#pragma once
#include <string>
#include <string_view>

namespace sluice {

// The file's first MiB; empty if it cannot be read. By descriptor: streams swallow failed allocations.
std::string kernel_text(const std::string& path);

// Cuts the next line off `text`; false when there is none.
bool next_line(std::string_view& text, std::string_view& line);

}  // namespace sluice
