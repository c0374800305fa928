// SPDX-License-Identifier: Apache-2.0
// What each backend offers to backend_table.cc. A backend that is not built has a twin that answers kNoDevice.
#pragma once
#include "backends/backend.h"

namespace sluice {

Result<std::unique_ptr<Backend>> create_cpu_device(ThreadPool& pool);  // the best ISA, or the one SLUICE_ISA names
Result<std::unique_ptr<Backend>> create_reference_device(ThreadPool& pool);

}  // namespace sluice
