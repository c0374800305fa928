// SPDX-License-Identifier: Apache-2.0
// eval --collect: how much each input of every matrix matters on a text, as an importance file for convert.
// Functions return 0 or an exit code after a complaint.
#pragma once
#include <string>

#include "model_arg.h"

namespace sluice {

// Before the model is loaded: a complaint about a file that cannot or must not be written.
int check_collect_target(const std::string& path, const std::string& model, const std::string& text);

int begin_collecting(LoadedModel& model);

// What was collected since; the name of the text and how it was cut go into the file, for people.
int write_collected(const LoadedModel& model, const std::string& path, const std::string& text_name,
                    uint32_t n_windows);

}  // namespace sluice
