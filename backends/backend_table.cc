// SPDX-License-Identifier: Apache-2.0
// The list of devices by name.
#include "backends/devices.h"

namespace sluice {

namespace {

struct Device {
  const char* name;
  Result<std::unique_ptr<Backend>> (*create)(ThreadPool& pool);
};

constexpr Device kDevices[] = {{"cpu", create_cpu_device}, {"reference", create_reference_device}};

}  // namespace

Result<std::unique_ptr<Backend>> create_backend(std::string_view device, ThreadPool& pool) {
  if (device == "auto") return create_cpu_device(pool);
  std::string available = "auto";
  for (const Device& d : kDevices) {
    if (device == d.name) return d.create(pool);
    available += std::string(", ") + d.name;
  }
  return make_error(Code::kNoDevice, "", kNoOffset, "no device \"%.*s\"; available: %s",
                    int(device.size() < 64 ? device.size() : 64), device.data(), available.c_str());
}

}  // namespace sluice
