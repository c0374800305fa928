// SPDX-License-Identifier: Apache-2.0
// Small files of the user: prompts, texts, JSON, transcripts. Functions return 0 or an exit code after a complaint.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

using Json = nlohmann::ordered_json;

inline constexpr uint64_t kMostPromptBytes = uint64_t{64} << 20;
inline constexpr uint64_t kMostTextBytes = uint64_t{256} << 20;
inline constexpr uint64_t kMostJsonBytes = uint64_t{256} << 20;
inline constexpr int kMostJsonDepth = 96;  // with the request around it less than sluice_render_chat allows

// A whole file; "-" is standard input. kUsage when it is missing, too large or not what it should be, kFailed when
// reading fails.
int read_text(const std::string& path, uint64_t limit, std::string& out);
int read_json(const std::string& path, Json& out);

// A list of messages, or an object with a member "messages"; each message is an object with a text "role".
int read_messages(const std::string& path, Json& messages, Json& whole);

// Appears whole or not at all; a link is written through, a device or FIFO refused.
int write_text(const std::string& path, const std::string& text);

// A count in an object; 0 where there is none.
uint64_t count_in(const Json& object, const char* key);

// One line; bytes that are not UTF-8 become U+FFFD.
std::string json_line(const Json& json);

// Before a slow run whose result goes to `path`: kUsage if it is one of the files that `verb` reads, a folder, a
// device.
int check_target(std::string_view verb, const std::string& path, const std::vector<std::string>& inputs);

bool is_folder(const std::string& path);
bool is_special(const std::string& path);    // there, but neither a regular file nor a folder: a device, a FIFO
bool make_folders(const std::string& path);  // like mkdir -p, mode 0700

}  // namespace sluice
